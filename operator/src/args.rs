//! What the command line says.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

/// Runs the user-info system in Kubernetes from one `UserInfoDeployment`.
#[derive(Debug, Parser)]
#[command(name = "user-info-operator", version, arg_required_else_help = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prints the custom resource definition as YAML.
    Crd,
    /// Says what is wrong with manifests, without a cluster.
    #[command(after_help = "Exit status: 0 if every manifest can be used, 64 if one cannot.")]
    Check(CheckArgs),
}

/// What to check, and how to say what was found.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Manifests with one resource each, in YAML or JSON; `-` is the standard input.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Form of the output.
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// Form of the output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A line for each problem: `FILE:LINE: FIELD: MESSAGE`.
    #[default]
    Text,
    /// A list of files, each with its problems.
    Json,
}
