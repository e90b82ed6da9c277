//! The command line.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

const EXAMPLES: &str = "\
Examples:
  user-info-local manifests/samples/quickstart.yaml                     all of it, with a page on http://127.0.0.1:8080
  user-info-local manifests/samples/faults.yaml --verbose               with the services' log lines
  user-info-local manifests/samples/quickstart.yaml --output json       for a script: a JSON object a line";

/// Runs the whole user-info system on this machine, from one file.
///
/// Starts a registry, as many instances of `user_info` as the file says, a `user_client` that calls them, and a web page. Follows edits of
/// the file: settings change live, replicas come and go. Ctrl-C ends all of it.
///
/// Exit codes: 0 ended as told; 64 the file or the command line cannot be used; 69 something is missing, such as the services' programs.
#[derive(Debug, Clone, Parser)]
#[command(name = "user-info-local", version, after_help = EXAMPLES)]
pub struct Args {
    /// A `UserInfoDeployment`, as `kubectl apply` takes it
    pub file: PathBuf,
    /// Folder with the secrets that the file names, as `DIR/<secret>/<key>`
    #[arg(long, value_name = "DIR", default_value = "secrets")]
    pub secrets: PathBuf,
    /// Folder for config files and the embedded store of users; default is a new one, removed at the end
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Folder with the programs `user_info` and `user_client`; default is where this one is
    #[arg(long, value_name = "DIR")]
    pub programs: Option<PathBuf>,
    /// First port to try for the page; a port that is taken moves on to the next free one
    #[arg(long, value_name = "PORT", default_value_t = 8080)]
    pub page_port: u16,
    /// How to print the table and what the client sees
    #[arg(long, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// Print the services' log lines too
    #[arg(long, short)]
    pub verbose: bool,
    /// Print nothing but what goes wrong
    #[arg(long, short, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
