//! The command line of `user_client`.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand, ValueEnum};
use user_info_api::config::{Check, Discovery, UserClientConfig};

use super::report::{Colours, Output};
use crate::config::{self, ConfigError};

const EXAMPLES: &str = "\
Examples:
  user_client --target 127.0.0.1:9001 --user-id 1 --once      one call; prints the reply as JSON
  user_client --target 127.0.0.1:9001 --verbose               call without pause, a line for each reply
  user_client check --config user_client.yaml                 say what is wrong with the file
  user_client --config user_client.yaml --output json         as the file says, a JSON object a second";

/// Calls the user-info service over and over, and says how it goes: a line a second.
///
/// Exit codes: 0 stopped as told; 1 the call of --once failed; 64 the configuration or the command line cannot be used; 69 something is
/// missing, such as a port; 130 told twice to stop.
#[derive(Debug, Clone, Parser)]
#[command(name = "user_client", version, arg_required_else_help = true, after_help = EXAMPLES)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Args {
    /// What to do instead of calling.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Config file; its live part is followed while the client runs.
    #[arg(long, value_name = "FILE", required_unless_present = "target")]
    pub config: Option<PathBuf>,
    /// gRPC address to call instead of what the config file says, such as 127.0.0.1:9001.
    #[arg(long, value_name = "HOST:PORT")]
    pub target: Option<String>,
    /// User to ask for, instead of those of the config file. May be given more than once.
    #[arg(long = "user-id", value_name = "ID", allow_negative_numbers = true)]
    pub user_ids: Vec<i64>,
    /// Makes one call, prints the reply or the error as JSON, and exits with 0 or 1.
    #[arg(long)]
    pub once: bool,
    /// Prints each reply on a line of its own.
    #[arg(long, short)]
    pub verbose: bool,
    /// Prints nothing of the calls; /metrics still counts them.
    #[arg(long, short, conflicts_with_all = ["verbose", "once"])]
    pub quiet: bool,
    /// How lines look.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
    /// Stops when standard input ends, so that the client does not outlive whoever started it.
    #[arg(long)]
    pub stop_with_stdin: bool,
}

/// What to do instead of calling.
#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Say what the start would refuse of a config file and of the files that it names, and end
    Check {
        /// Config file
        #[arg(long, short, default_value = "user_client.yaml", value_name = "FILE")]
        config: PathBuf,
        /// Read no file but the config file: for a machine that has not those of the client, such as a build server
        #[arg(long)]
        no_files: bool,
    },
}

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Args {
    /// The configuration: the file's, changed by what the command line says.
    ///
    /// # Errors
    /// If the file cannot be used, or what the command line says is not allowed.
    pub fn load(&self) -> Result<UserClientConfig, ConfigError> {
        let mut config = match &self.config {
            Some(file) => config::load(file)?,
            None => config::parse(Path::new("command line"), "discovery: {addresses: ['127.0.0.1:9001']}")?,
        };
        self.amend(&mut config);
        let violations = config.violations();
        if violations.is_empty() { Ok(config) } else { Err(ConfigError::Invalid { path: "command line".into(), violations }) }
    }

    /// Puts what the command line says into `config`, which may have come from the file anew.
    pub fn amend(&self, config: &mut UserClientConfig) {
        if let Some(target) = &self.target {
            config.discovery = Discovery { addresses: vec![target.clone()], ..Discovery::default() };
        }
        if !self.user_ids.is_empty() {
            config.live.user_ids.clone_from(&self.user_ids);
        }
    }

    /// How lines are written.
    pub fn output(&self) -> Output {
        let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
        match self.output {
            Format::Text => Output::Text(Colours(colours)),
            Format::Json => Output::Json,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(arguments: &[&str]) -> Result<UserClientConfig, String> {
        let args = Args::try_parse_from([&["user_client"], arguments].concat()).map_err(|e| e.to_string())?;
        args.load().map_err(|e| e.to_string())
    }

    #[test]
    fn a_target_is_all_it_needs() {
        let config = load(&["--target", "127.0.0.1:9001", "--user-id", "7", "--user-id", "8"]).expect("valid");
        assert_eq!(config.discovery.addresses, ["127.0.0.1:9001"]);
        assert_eq!(config.live.user_ids, [7, 8]);
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let error = load(&["--target", "nonsense"]).expect_err("refused");
        assert_eq!(error, "command line: discovery.addresses: \"nonsense\" is not host:port, such as 127.0.0.1:9001");
        assert!(load(&["--once"]).expect_err("refused").contains("--config <FILE>"));
    }
}
