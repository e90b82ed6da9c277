//! What happens to the processes.

use std::time::Duration;

/// A line that a process wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The process.
    pub name: String,
    /// Whether it was written to standard output, not to standard error.
    pub stdout: bool,
    /// The line.
    pub text: String,
}

/// What happens to a process that a person wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It wrote a line.
    Line(Line),
    /// It ended by itself.
    Ended {
        /// The process.
        name: String,
        /// How, and what it said last.
        how: String,
        /// The pause before it starts again; none if it does not.
        pause: Option<Duration>,
    },
    /// Something else about it is different now: its state, its process id, the generation it confirmed.
    Changed,
}
