//! The command line of `user_info`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::data::PageViews;

const EXAMPLES: &str = "\
Examples:
  user_info check                                 say what is wrong with user_info.yaml
  user_info --config user_info.yaml               serve
  user_info migrate && user_info seed             make the table, and put ten sample users into it
  curl http://127.0.0.1:8001/user_info/1          ask for one of them
  curl http://127.0.0.1:8001/openapi.json         what else there is";

/// Serves users over gRPC and HTTP.
///
/// Exit codes: 0 stopped as told; 64 the configuration or the command line cannot be used; 69 something is missing, such as a port; 130
/// told twice to stop.
#[derive(Debug, Parser)]
#[command(name = "user_info", version, after_help = EXAMPLES)]
pub struct Args {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Config file; what stands under `live` is followed while the service runs
    #[arg(long, short, global = true, default_value = "user_info.yaml", value_name = "FILE")]
    pub config: PathBuf,
    /// Stop when standard input ends, for supervisors that may be killed
    #[arg(long)]
    pub stop_with_stdin: bool,
}

/// What to do instead of serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum Command {
    /// Say what the start would refuse of the config file and of the files that it names, and end
    Check {
        /// Read no file but the config file: for a machine that has not those of the service, such as a build server
        #[arg(long)]
        no_files: bool,
    },
    /// Bring the store of the users to this version's schema and end
    Migrate,
    /// Put the sample users and their page views into the stores and end; what is there already stays
    Seed {
        /// What becomes of the page views
        #[arg(long, value_enum, default_value_t)]
        views: PageViews,
    },
}
