//! Writes what is said of the code from the code: `docs/reference/`, man pages and shell completions.

mod cli;
mod conditions;
mod config;
mod crd;
mod exit_codes;
mod helm_values;
mod http_api;
mod markdown;
mod metrics;
mod schema;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;

/// Writes the reference, the man pages and the shell completions from the code.
#[derive(Debug, Parser)]
#[command(name = "user-info-reference", version)]
enum Args {
    /// Writes docs/reference
    Pages {
        /// Root of the repository
        #[arg(default_value = ".")]
        root: PathBuf,
        /// Writes nothing; names the pages that are not what the code says
        #[arg(long)]
        check: bool,
    },
    /// Writes man pages and shell completions as an installation has them
    Share {
        /// Folder such as /usr/local/share: gets man/, bash-completion/, zsh/ and fish/
        dir: PathBuf,
    },
}

/// A file to be written: its path and what it holds.
type File = (String, String);

fn main() -> ExitCode {
    let done = match Args::parse() {
        Args::Pages { root, check: false } => pages(&root).and_then(|pages| write(&root.join("docs/reference"), &pages)),
        Args::Pages { root, check: true } => pages(&root).and_then(|pages| compare(&root.join("docs/reference"), &pages)),
        Args::Share { dir } => cli::share().and_then(|files| write(&dir, &files)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("user-info-reference: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Every page of the reference.
fn pages(root: &Path) -> Result<Vec<File>, String> {
    let openapi = user_info_services::server::openapi::document();
    let page = |name: &str, text: String| (name.to_owned(), text);
    Ok(vec![
        page("crd.md", crd::page()),
        page("config.md", config::page()),
        page("metrics.md", metrics::page()?),
        page("conditions.md", conditions::page()),
        page("exit-codes.md", exit_codes::page()),
        page("helm-values.md", helm_values::page(&root.join("charts"))?),
        page("http-api.md", http_api::page(&openapi)),
        page("cli.md", cli::page()),
        page("openapi.json", format!("{openapi:#}\n")),
    ])
}

fn write(dir: &Path, files: &[File]) -> Result<(), String> {
    for (name, text) in files {
        let path = dir.join(name);
        let failed = |error: std::io::Error| format!("{}: {error}", path.display());
        std::fs::create_dir_all(path.parent().unwrap_or(dir)).map_err(failed)?;
        std::fs::write(&path, text).map_err(failed)?;
    }
    Ok(())
}

fn compare(dir: &Path, files: &[File]) -> Result<(), String> {
    let differs = |(name, text): &&File| std::fs::read_to_string(dir.join(name)).ok().as_ref() != Some(text);
    let stale: Vec<_> = files.iter().filter(differs).map(|(name, _)| dir.join(name).display().to_string()).collect();
    if stale.is_empty() { Ok(()) } else { Err(format!("{}: not what the code says; run `make generate`", stale.join(", "))) }
}
