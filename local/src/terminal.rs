//! What a person sees on the terminal, or a script as JSON.

use std::fmt::Write as _;

use serde_json::json;

use crate::args::Output;
use crate::supervisor::{Process, Role};

/// Prints to standard output; failures of that (a closed pipe) are no reason to end the system.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    output: Output,
    quiet: bool,
}

/// Events that are told even to who wants quiet.
const WRONG: [&str; 2] = ["problem", "ended"];

impl Terminal {
    /// Prints as `output` says; `quiet`, only what goes wrong.
    pub const fn new(output: Output, quiet: bool) -> Self {
        Self { output, quiet }
    }

    /// A sentence about what happens: to a person as it is, to a script as `{"event": …, "message": …}`.
    pub fn say(&self, event: &str, message: &str) {
        if self.quiet && !WRONG.contains(&event) {
            return;
        }
        match self.output {
            Output::Text => print(message),
            Output::Json => print(&json!({"event": event, "message": message}).to_string()),
        }
    }

    /// A line that a service wrote, as it is.
    pub fn line(&self, line: &str) {
        if !self.quiet {
            print(line);
        }
    }

    /// What runs where.
    pub fn table(&self, processes: &[Process], notes: &[String]) {
        if self.quiet {
            return;
        }
        match self.output {
            Output::Text => print(&table(processes, notes)),
            Output::Json => print(&json!({"event": "table", "processes": processes, "notes": notes}).to_string()),
        }
    }
}

fn print(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// The table, columns as wide as they must be.
fn table(processes: &[Process], notes: &[String]) -> String {
    let address = |a: Option<std::net::SocketAddr>| a.map_or("-".to_owned(), |a| a.to_string());
    let number = |n: Option<u32>| n.map_or("-".to_owned(), |n| n.to_string());
    let mut rows = vec![["NAME", "STATE", "PID", "GRPC", "HTTP", "WEIGHT", "NOTE"].map(str::to_owned)];
    rows.extend(processes.iter().map(|p| {
        let http = if p.role == Role::Page { p.http.map_or("-".to_owned(), |a| format!("http://{a}/")) } else { address(p.http) };
        let note = p.note.clone().unwrap_or_default();
        [p.name.clone(), p.state.as_str().to_owned(), number(p.pid), address(p.grpc), http, number(p.weight), note]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..7).map(width).collect();
    let mut text = String::from("\n");
    for row in &rows {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(line, " {cell:<width$} ");
        }
        let _ = writeln!(text, "{}", line.trim_end());
    }
    for note in notes {
        let _ = write!(text, "\n  {note}");
    }
    text.push('\n');
    text
}
