//! What goes wrong between us and an agent.

use std::fmt;
use std::time::Duration;

use crate::tls::TlsError;

/// A call to an agent failed. Tells which agent, which call, what happened and, where it is known, what to do.
#[derive(Debug)]
pub struct CallError {
    pub(super) agent: String,
    pub(super) call: String,
    pub(super) cause: Cause,
    pub(super) remedy: Option<String>,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Cause {
    /// No connection, or it broke.
    #[error("{0}")]
    Transport(String),
    /// One side takes no certificate of the other.
    #[error("{0}")]
    Certificate(String),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The agent said no.
    #[error("{status}{}{text}", if .text.is_empty() { "" } else { " " })]
    Status { status: u16, text: String },
    /// The answer is not what the API promises.
    #[error("cannot read the answer: {0}")]
    Answer(String),
    /// The token's file cannot be read.
    #[error("cannot read the token: {0}")]
    Token(std::io::Error),
}

impl CallError {
    /// `host:port` of the agent.
    pub fn agent(&self) -> &str {
        &self.agent
    }

    /// Status of the answer, if there was one.
    pub fn status(&self) -> Option<u16> {
        match self.cause {
            Cause::Status { status, .. } => Some(status),
            _ => None,
        }
    }

    /// Whether another agent may do better: this one is unreachable or in trouble itself.
    pub fn is_agent_failure(&self) -> bool {
        match self.cause {
            Cause::Transport(_) | Cause::Certificate(_) | Cause::Timeout(_) | Cause::Answer(_) => true,
            Cause::Status { status, .. } => status >= 500 || status == 429,
            Cause::Token(_) => false,
        }
    }

    /// Whether no answer came at all.
    pub fn is_silence(&self) -> bool {
        matches!(self.cause, Cause::Transport(_) | Cause::Certificate(_) | Cause::Timeout(_))
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "consul {}: {}: {}", self.agent, self.call, self.cause)?;
        self.remedy.iter().try_for_each(|remedy| write!(f, ": {remedy}"))
    }
}

impl std::error::Error for CallError {}

/// The configuration of the agents cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The TLS settings cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The instance cannot be written as a registration.
    #[error(transparent)]
    Endpoint(#[from] crate::registry::instance::InvalidEndpoint),
}
