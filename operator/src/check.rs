//! `user-info-operator check`: says what is wrong with manifests, as an API server would, but offline and with lines.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};
use user_info_api::crd::{LoadError, UserInfoDeployment, load};

use self::diff::DiffError;

use crate::args::{CheckArgs, EXIT_UNAVAILABLE, EXIT_USAGE, Output};
use crate::reconcile::validate;

mod diff;
mod difference;
mod releases;

/// Checks all files and writes what is wrong with them. Exit status 0 if nothing is, else 64.
pub fn run(args: &CheckArgs, stdin: &mut impl Read, out: &mut impl Write) -> ExitCode {
    let reports: Vec<_> = args.files.iter().map(|file| Report::of(file, stdin)).collect();
    let written = match args.output {
        Output::Text => {
            reports.iter().filter(|report| !args.quiet || report.outcome.is_err()).try_for_each(|report| writeln!(out, "{}", report.text()))
        }
        Output::Json => writeln!(out, "{:#}", reports.iter().map(Report::json).collect::<Value>()),
    };
    match written {
        Ok(()) if reports.iter().any(|report| report.outcome.is_err()) => ExitCode::from(EXIT_USAGE),
        Ok(()) if args.diff => compare(args, reports, out),
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Writes what the resources would change in a cluster.
fn compare(args: &CheckArgs, reports: Vec<Report>, out: &mut impl Write) -> ExitCode {
    let resources = reports.into_iter().filter_map(|report| Some((report.file, report.outcome.ok()?)));
    let changes = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(DiffError::from).and_then(|runtime| {
        runtime.block_on(async {
            let cluster = args.cluster.find().await?;
            let mut changes = Vec::new();
            for (file, resource) in resources {
                let found = diff::changes(&cluster, resource, args.namespace.as_deref()).await;
                changes.push((file.clone(), found.map_err(|error| DiffError::In(file, Box::new(error)))?));
            }
            Ok(changes)
        })
    });
    let written = match (changes, args.output) {
        (Err(error), _) => {
            eprintln!("user-info-operator: {error}");
            return ExitCode::from(EXIT_UNAVAILABLE);
        }
        (Ok(changes), Output::Text) => changes
            .iter()
            .flat_map(|(file, lines)| lines.iter().map(move |line| (file, line)))
            .try_for_each(|(file, line)| writeln!(out, "{file}: {line}")),
        (Ok(changes), Output::Json) => {
            let files: Value = changes.iter().map(|(file, lines)| json!({"file": file, "changes": lines})).collect();
            writeln!(out, "{files:#}")
        }
    };
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error("cannot be read: {0}")]
    Read(#[from] io::Error),
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// What was found in one file.
struct Report {
    file: String,
    outcome: Result<UserInfoDeployment, CheckError>,
}

impl Report {
    fn of(file: &Path, stdin: &mut impl Read) -> Self {
        let standard_input = file == Path::new("-");
        let text = if standard_input {
            let mut text = String::new();
            stdin.read_to_string(&mut text).map(|_| text)
        } else {
            std::fs::read_to_string(file)
        };
        let file = if standard_input { "<stdin>".to_owned() } else { file.display().to_string() };
        let outcome = text.map_err(CheckError::from).and_then(|text| {
            let resource = load(&text)?;
            validate::offline(&resource).map_err(|error| error.in_text(&text))?;
            Ok(resource)
        });
        Self { file, outcome }
    }

    fn text(&self) -> String {
        match &self.outcome {
            Ok(_) => format!("{}: ok", self.file),
            Err(CheckError::Load(error)) => error.in_file(&self.file),
            Err(error) => format!("{}: {error}", self.file),
        }
    }

    fn json(&self) -> Value {
        let problems = match &self.outcome {
            Ok(_) => json!([]),
            Err(CheckError::Load(error)) => json!(error.problems()),
            Err(error) => json!([{"field": "", "message": error.to_string()}]),
        };
        json!({"file": self.file, "problems": problems})
    }
}

#[cfg(test)]
mod tests;
