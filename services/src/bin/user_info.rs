//! `user_info`: serves users over gRPC and HTTP.

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use user_info_api::config::UserInfoConfig;
use user_info_services::config::EXIT_CONFIG;
use user_info_services::{config, data, server, signals, telemetry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serves users over gRPC and HTTP.
///
/// Exit codes: 0 stopped as told; 64 the configuration or the command line cannot be used; 69 something is missing, such as a port; 130
/// told twice to stop.
#[derive(Debug, Parser)]
#[command(version, after_help = "Example: user_info --config user_info.yaml")]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Config file; what stands under `live` is followed while the service runs
    #[arg(long, short, global = true, default_value = "user_info.yaml", value_name = "FILE")]
    config: PathBuf,
    /// Stop when standard input ends, for supervisors that may be killed
    #[arg(long)]
    stop_with_stdin: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
enum Command {
    /// Check the config file and end
    Check,
    /// Bring the store of the users to this version's schema and end
    Migrate,
    /// Put the sample users and their page views into the stores and end; what is there already stays
    Seed,
}

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
        Command::Seed => {
            data::seed(&config.users, &config.views).await.map(|done| done.to_string()).map_err(|e| (e.is_config(), e.to_string()))
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
