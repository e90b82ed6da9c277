//! What is wrong with a resource.

use std::fmt;

use serde::Serialize;

use super::path::Path;

/// One field that cannot stand as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Line in the text, from 1, if the resource was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// Column in the text, from 1, if the text is no YAML.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u64>,
    /// Path of the field, dotted, as in `spec.rateLimiter.burst`; empty if the resource as a whole is meant.
    pub field: String,
    /// What is wrong and what is allowed.
    pub message: String,
    #[serde(skip)]
    path: Path,
}

impl Problem {
    pub(super) fn new(path: Path, message: impl fmt::Display) -> Self {
        Self { line: None, column: None, field: path.to_string(), message: message.to_string(), path }
    }

    /// What is wrong with `field`, a dotted path; empty if the resource as a whole is meant.
    pub(crate) fn of(field: &str, message: impl fmt::Display) -> Self {
        Self::new(Path::parse(field), message)
    }

    pub(super) fn at(mut self, line: u64, column: Option<u64>) -> Self {
        self.line = Some(line);
        self.column = column;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in [self.line, self.column].into_iter().flatten() {
            write!(f, "{place}:")?;
        }
        if self.line.is_some() {
            f.write_str(" ")?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)
    }
}

/// Everything that is wrong with a resource. Prints one line a problem.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(problems, ""))]
pub struct LoadError {
    problems: Vec<Problem>,
}

impl LoadError {
    /// What is wrong, in the order of the schema; never empty.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The problems, one a line, each behind the name of the file: `FILE:LINE: FIELD: MESSAGE`.
    pub fn in_file(&self, file: &str) -> String {
        lines(&self.problems, file)
    }

    /// Puts the problems at the lines of their fields, in that order.
    pub(super) fn locate(mut self, line: impl Fn(&Path) -> u64) -> Self {
        for problem in &mut self.problems {
            problem.line = Some(line(&problem.path));
        }
        self.problems.sort_by_key(|problem| problem.line);
        self
    }
}

fn lines(problems: &[Problem], file: &str) -> String {
    let lines: Vec<_> = problems
        .iter()
        .map(|problem| match (file, problem.line) {
            ("", _) => problem.to_string(),
            (file, Some(_)) => format!("{file}:{problem}"),
            (file, None) => format!("{file}: {problem}"),
        })
        .collect();
    lines.join("\n")
}

impl From<Vec<Problem>> for LoadError {
    fn from(problems: Vec<Problem>) -> Self {
        Self { problems }
    }
}

impl From<Problem> for LoadError {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem] }
    }
}
