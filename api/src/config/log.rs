//! What the services log.

use serde::{Deserialize, Serialize};

use super::{Check, Violations};
use crate::limits;

/// What is logged, and how much of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Log {
    /// Least severe level that is written.
    pub level: LogLevel,
    /// Most lines a second of the access log, each for one call, 0 to 1000000; 0 turns it off. What is left out is counted.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::ACCESS_LINES))]
    pub access_lines_per_second: u32,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: LogLevel::Info, access_lines_per_second: 1 }
    }
}

impl Check for Log {
    fn check(&self, v: &mut Violations) {
        v.limit("accessLinesPerSecond", &self.access_lines_per_second, &limits::ACCESS_LINES);
    }
}

/// Severity of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Something failed and a person should know.
    Error,
    /// Something is odd.
    Warn,
    /// What the service does.
    #[default]
    Info,
    /// How it does it.
    Debug,
    /// Every step.
    Trace,
}

impl LogLevel {
    /// The level's name, as `tracing` spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}
