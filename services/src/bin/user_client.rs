//! Calls the user-info service over and over, and says how it goes.

use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use user_info_api::config::{LogLevel, UserClientConfig};
use user_info_services::client::{self, Args, Command, StartError};
use user_info_services::config::{self, EXIT_CONFIG};
use user_info_services::{files, signals, telemetry};

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
    if let Some(Command::Check { config, no_files }) = &args.command {
        return check(config, *no_files);
    }
    let config = match args.load() {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return EXIT_CONFIG.into();
        }
    };
    // One call says all it has to say on standard output.
    let level = if args.once { LogLevel::Error } else { config.live.log.level };
    if let Err(error) = telemetry::init(config.log_format, level) {
        return fail(&error.into());
    }
    // All calls run on one thread: for tiny messages that is cheaper than handing them from thread to thread.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error.into()),
    };
    let outcome = runtime.block_on(start(&args, config));
    // What led to the end stands before it.
    telemetry::flush(telemetry::LAST_WORDS);
    match outcome {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

/// Says what the start would refuse of the config file at `path`.
fn check(path: &Path, no_files: bool) -> ExitCode {
    let config: UserClientConfig = match config::load(path) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return EXIT_CONFIG.into();
        }
    };
    if no_files {
        println!("{}: ok; the files that it names were not read", path.display());
        return ExitCode::SUCCESS;
    }
    if let Err(error) = telemetry::init(config.log_format, config.live.log.level) {
        return fail(&error.into());
    }
    let found = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(files::user_client(&config)),
        Err(error) => return fail(&error.into()),
    };
    telemetry::flush(telemetry::LAST_WORDS);
    if found.is_empty() {
        println!("{}: ok", path.display());
        return ExitCode::SUCCESS;
    }
    eprintln!("{}", files::report(path, &found));
    EXIT_CONFIG.into()
}

async fn start(args: &Args, config: UserClientConfig) -> Result<ExitCode, StartError> {
    if args.once {
        return Ok(ExitCode::from(u8::from(!client::once(&config).await?)));
    }
    let stop = async { signals::stop(args.stop_with_stdin).await.unwrap_or("no signals") };
    client::run(args, config, stop).await?;
    Ok(ExitCode::SUCCESS)
}

fn fail(error: &StartError) -> ExitCode {
    eprintln!("{error}");
    error.exit_code().into()
}
