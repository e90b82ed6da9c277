//! The one error of the wire: code, reason, message and metadata, as in Kratos, and its gRPC form.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

mod wire;

pub use wire::{grpc_code, http_code};

/// An error as callers see it. `code` is an HTTP status; `reason` says in one word what happened.
///
/// ```
/// use user_info_layers::Error;
///
/// let sold_out = Error::new(409, "SOLD_OUT", "nothing is left of it");
/// assert!(!sold_out.is_failure(), "a breaker does not count what is the caller's business");
/// assert_eq!(tonic::Status::from(sold_out).code(), tonic::Code::Aborted);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// HTTP status, 400 to 599.
    pub code: u16,
    /// Machine-readable cause, such as `RATELIMIT`; may be empty.
    pub reason: Cow<'static, str>,
    /// What a person reads.
    pub message: Cow<'static, str>,
    /// More about it.
    pub metadata: BTreeMap<String, String>,
}

/// Reasons of the layers, and of what stands around them.
pub mod reason {
    /// The rate limiter refused the call.
    pub const RATELIMIT: &str = "RATELIMIT";
    /// The circuit breaker refused the call.
    pub const CIRCUITBREAKER: &str = "CIRCUITBREAKER";
    /// A handler panicked, or failed in a way that nobody has foreseen.
    pub const UNKNOWN: &str = "UNKNOWN";
    /// The request could not be decoded.
    pub const CODEC: &str = "CODEC";
    /// More calls are in flight, or hold more, than the process allows.
    pub const OVERLOADED: &str = "OVERLOADED";
    /// The call took longer than it may.
    pub const TIMEOUT: &str = "TIMEOUT";
    /// The caller went away before the reply.
    pub const CANCELED: &str = "CANCELED";
    /// No route has this path.
    pub const NOT_FOUND: &str = "NOT_FOUND";
    /// The route has no such method.
    pub const METHOD_NOT_ALLOWED: &str = "METHOD_NOT_ALLOWED";
    /// No instance of the service can be called.
    pub const NO_AVAILABLE_NODE: &str = "no_available_node";
}

impl Error {
    /// An error without metadata.
    pub const fn new(code: u16, reason: &'static str, message: &'static str) -> Self {
        Self { code, reason: Cow::Borrowed(reason), message: Cow::Borrowed(message), metadata: BTreeMap::new() }
    }

    /// The same error with another message.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    /// 429, from the rate limiter.
    pub const RATELIMIT: Self = Self::new(429, reason::RATELIMIT, "service unavailable due to rate limit exceeded");
    /// 503, from the circuit breaker.
    pub const CIRCUITBREAKER: Self = Self::new(503, reason::CIRCUITBREAKER, "request failed due to circuit breaker triggered");
    /// 500, from the recovery layer.
    pub const UNKNOWN: Self = Self::new(500, reason::UNKNOWN, "unknown request error");
    /// 503, no room for the call.
    pub const OVERLOADED: Self = Self::new(503, reason::OVERLOADED, "too many calls are in flight");
    /// 504, the deadline has passed.
    pub const TIMEOUT: Self = Self::new(504, reason::TIMEOUT, "context deadline exceeded");
    /// 503, nobody to call.
    pub const NO_AVAILABLE_NODE: Self = Self::new(503, reason::NO_AVAILABLE_NODE, "no instance of the service can be called");

    /// Whether a breaker or a balancer counts this as a failure of the service: 500, 503 and 504, as in Kratos.
    pub const fn is_failure(&self) -> bool {
        matches!(self.code, 500 | 503 | 504)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: code = {} reason = {} message = {} metadata = map[", self.code, self.reason, self.message)?;
        for (i, (key, value)) in self.metadata.iter().enumerate() {
            write!(f, "{}{key}:{value}", if i == 0 { "" } else { " " })?;
        }
        f.write_str("] cause = <nil>")
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests;
