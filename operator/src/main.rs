//! The operator's command line.

use std::process::ExitCode;

use clap::Parser;
use user_info_operator::args::{Args, Command};
use user_info_operator::{check, crd};

fn main() -> ExitCode {
    match Args::parse().command {
        Command::Crd => crd::print(&mut std::io::stdout().lock()),
        Command::Check(args) => check::run(&args, &mut std::io::stdin(), &mut std::io::stdout().lock()),
    }
}
