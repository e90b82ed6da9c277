//! `user_info`: serves users over gRPC and HTTP.

use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use user_info_api::config::UserInfoConfig;
use user_info_services::config::{EXIT_CONFIG, EXIT_UNAVAILABLE};
use user_info_services::server::{Args, Command, Listeners};
use user_info_services::{config, data, files, server, signals, telemetry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { EXIT_CONFIG.into() } else { ExitCode::SUCCESS };
        }
    };
    let config: UserInfoConfig = match config::load(&args.config) {
        Ok(config) => config,
        Err(error) => return fail(EXIT_CONFIG, &error),
    };
    if let Err(error) = telemetry::init(config.log_format, config.live.log.level) {
        return fail(EXIT_UNAVAILABLE, &error);
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(EXIT_UNAVAILABLE, &error),
    };
    let outcome = runtime.block_on(async {
        match args.command {
            Some(command) => once(command, &args.config, &config).await,
            None => serve(&args, config).await,
        }
    });
    // What led to the end stands before it.
    telemetry::flush(telemetry::LAST_WORDS);
    outcome.map_or_else(|(code, error)| fail(code, &error), |()| ExitCode::SUCCESS)
}

/// An exit code, and what there is to say.
type Failure = (u8, String);

async fn serve(args: &Args, config: UserInfoConfig) -> Result<(), Failure> {
    let stop = async {
        match signals::stop(args.stop_with_stdin).await {
            Ok(why) => why,
            Err(error) => {
                tracing::error!(%error, "signals cannot be listened to");
                "no signals"
            }
        }
    };
    let running = server::run(Listeners::bind, config, Some(&args.config), stop);
    running.await.map_err(|error| (error.exit_code(), error.to_string()))
}

async fn once(command: Command, path: &Path, config: &UserInfoConfig) -> Result<(), Failure> {
    let failed = |is_config: bool, error: String| (if is_config { EXIT_CONFIG } else { EXIT_UNAVAILABLE }, error);
    let done = match command {
        Command::Check { no_files: true } => format!("{}: ok; the files that it names were not read", path.display()),
        Command::Check { no_files: false } => match files::user_info(config).await {
            found if found.is_empty() => format!("{}: ok", path.display()),
            found => return Err((EXIT_CONFIG, files::report(path, &found))),
        },
        Command::Migrate => match data::migrate(&config.users).await {
            Ok(done) => done.to_string(),
            Err(error) => return Err(failed(error.is_config(), error.to_string())),
        },
        Command::Seed { views } => match data::seed(&config.users, &config.views, views).await {
            Ok(done) => done.to_string(),
            Err(error) => return Err(failed(error.is_config(), error.to_string())),
        },
    };
    println!("{done}");
    Ok(())
}

fn fail(code: u8, error: &dyn Display) -> ExitCode {
    eprintln!("user_info: {error}");
    ExitCode::from(code)
}
