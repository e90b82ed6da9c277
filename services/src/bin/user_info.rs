//! `user_info`: serves users over gRPC and HTTP.

use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use user_info_api::config::UserInfoConfig;
use user_info_services::config::EXIT_CONFIG;
use user_info_services::server::{Args, Command};
use user_info_services::{config, data, server, signals, telemetry};

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
    telemetry::init(config.log_format, config.live.log.level);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(server::EXIT_UNAVAILABLE, &error),
    };
    runtime.block_on(async {
        match args.command {
            Some(command) => once(command, &args.config, &config).await,
            None => serve(&args, config).await,
        }
    })
}

async fn serve(args: &Args, config: UserInfoConfig) -> ExitCode {
    let stop = async {
        match signals::stop(args.stop_with_stdin).await {
            Ok(why) => why,
            Err(error) => {
                tracing::error!(%error, "signals cannot be listened to");
                "no signals"
            }
        }
    };
    match server::run(config, &args.config, stop).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(error.exit_code(), &error),
    }
}

async fn once(command: Command, path: &Path, config: &UserInfoConfig) -> ExitCode {
    let done = match command {
        Command::Check => Ok(format!("{}: ok", path.display())),
        Command::Migrate => data::migrate(&config.users).await.map(|done| done.to_string()).map_err(|e| (e.is_config(), e.to_string())),
        Command::Seed { views } => {
            let done = data::seed(&config.users, &config.views, views).await;
            done.map(|done| done.to_string()).map_err(|e| (e.is_config(), e.to_string()))
        }
    };
    match done {
        Ok(done) => {
            println!("{done}");
            ExitCode::SUCCESS
        }
        Err((is_config, error)) => fail(if is_config { EXIT_CONFIG } else { server::EXIT_UNAVAILABLE }, &error),
    }
}

fn fail(code: u8, error: &dyn Display) -> ExitCode {
    eprintln!("user_info: {error}");
    ExitCode::from(code)
}
