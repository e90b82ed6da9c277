//! `user-info-operator check`: says what is wrong with manifests, as an API server would, but offline and with lines.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::ExitCode;

use serde_json::{Value, json};
use user_info_api::crd::{LoadError, load};

use crate::args::{CheckArgs, Output};

/// The exit status for input that cannot be used, `EX_USAGE` of sysexits.h.
const UNUSABLE: u8 = 64;

/// Checks all files and writes what is wrong with them. Exit status 0 if nothing is, else 64.
pub fn run(args: &CheckArgs, stdin: &mut impl Read, out: &mut impl Write) -> ExitCode {
    let reports: Vec<_> = args.files.iter().map(|file| Report::of(file, stdin)).collect();
    let written = match args.output {
        Output::Text => reports.iter().try_for_each(|report| writeln!(out, "{}", report.text())),
        Output::Json => writeln!(out, "{:#}", reports.iter().map(Report::json).collect::<Value>()),
    };
    match written {
        Ok(()) if reports.iter().all(|report| report.outcome.is_ok()) => ExitCode::SUCCESS,
        Ok(()) => ExitCode::from(UNUSABLE),
        Err(_) => ExitCode::FAILURE,
    }
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
    outcome: Result<(), CheckError>,
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
        let outcome = text.map_err(CheckError::from).and_then(|text| Ok(load(&text).map(drop)?));
        Self { file, outcome }
    }

    fn text(&self) -> String {
        match &self.outcome {
            Ok(()) => format!("{}: ok", self.file),
            Err(CheckError::Load(error)) => error.in_file(&self.file),
            Err(error) => format!("{}: {error}", self.file),
        }
    }

    fn json(&self) -> Value {
        let problems = match &self.outcome {
            Ok(()) => json!([]),
            Err(CheckError::Load(error)) => json!(error.problems()),
            Err(error) => json!([{"field": "", "message": error.to_string()}]),
        };
        json!({"file": self.file, "problems": problems})
    }
}

#[cfg(test)]
mod tests;
