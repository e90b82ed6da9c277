//! The operator's command line.

use std::process::ExitCode;

use clap::Parser;
use user_info_operator::args::{Args, Command, EXIT_USAGE};
use user_info_operator::helm::guard;
use user_info_operator::{check, crd, run};

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(EXIT_USAGE) } else { ExitCode::SUCCESS };
        }
    };
    match args.command {
        Command::Guard(args) => guard::run(&args),
        Command::Crd => crd::print(&mut std::io::stdout().lock()),
        Command::Check(args) => check::run(&args, &mut std::io::stdin(), &mut std::io::stdout().lock()),
        Command::Run(args) => match tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build() {
            Ok(runtime) => runtime.block_on(run::run(*args)),
            Err(error) => {
                eprintln!("user-info-operator: {error}");
                ExitCode::FAILURE
            }
        },
    }
}
