//! Faults injected on purpose.

use serde::{Deserialize, Serialize};

use super::{Check, Violations};
use crate::{Duration, limits};

const TWO_STATUSES: &str = "set httpStatus or grpcStatus, not both";

/// Delays or aborts a share of the calls that the limiter let pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct FaultInjection {
    /// Whether faults are injected.
    pub enabled: bool,
    /// Delay before the call goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay: Option<Delay>,
    /// Error instead of the reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort: Option<Abort>,
    /// RFC 3339 time (UTC) from which on no fault is injected any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
}

impl Default for FaultInjection {
    fn default() -> Self {
        Self { enabled: true, delay: None, abort: None, expires_at: None }
    }
}

impl FaultInjection {
    /// When the faults end.
    pub fn expiry(&self) -> Option<std::time::SystemTime> {
        self.expires_at.as_deref().and_then(|t| humantime::parse_rfc3339(t).ok())
    }
}

impl Check for FaultInjection {
    fn check(&self, v: &mut Violations) {
        if let Some(delay) = &self.delay {
            v.within("delay", delay);
        }
        if let Some(abort) = &self.abort {
            v.within("abort", abort);
        }
        let readable = self.expires_at.as_deref().is_none_or(|t| humantime::parse_rfc3339(t).is_ok());
        v.require(readable, "expiresAt", "is not an RFC 3339 time, such as 2030-01-01T00:00:00Z");
    }
}

/// A delay for a share of the calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Delay {
    /// How long a delayed call waits, 0s to 1h.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::FIXED_DELAY))]
    pub fixed_delay: Duration,
    /// Share of the calls, 0 to 100.
    #[serde(default = "all")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::PERCENTAGE))]
    pub percentage: f64,
}

impl Eq for Delay {}

impl Check for Delay {
    fn check(&self, v: &mut Violations) {
        v.limit("fixedDelay", &self.fixed_delay, &limits::FIXED_DELAY);
        v.limit("percentage", &self.percentage, &limits::PERCENTAGE);
    }
}

/// An error for a share of the calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "crd",
    schemars(extend("x-kubernetes-validations" = [{
        "rule": "!(has(self.httpStatus) && has(self.grpcStatus))",
        "message": TWO_STATUSES,
    }]))
)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Abort {
    /// Share of the calls, 0 to 100.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::PERCENTAGE))]
    pub percentage: f64,
    /// HTTP status of the error, 400 to 599; 500 if neither status is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::HTTP_STATUS))]
    pub http_status: Option<u16>,
    /// gRPC status of the error, 1 to 16. Errors carry an HTTP status, so 2 and 15 arrive as 13, 6 as 10, and 9 and 11 as 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::GRPC_STATUS))]
    pub grpc_status: Option<u16>,
    /// Reason of the error, as callers and metrics see it, 1 to 64 characters.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::REASON))]
    pub reason: String,
    /// Message of the error, at most 256 characters.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::MESSAGE))]
    pub message: String,
}

impl Eq for Abort {}

impl Default for Abort {
    fn default() -> Self {
        Self {
            percentage: all(),
            http_status: None,
            grpc_status: None,
            reason: "random error".to_owned(),
            message: "random error".to_owned(),
        }
    }
}

impl Check for Abort {
    fn check(&self, v: &mut Violations) {
        v.limit("percentage", &self.percentage, &limits::PERCENTAGE);
        v.limit("httpStatus", &self.http_status, &limits::HTTP_STATUS);
        v.limit("grpcStatus", &self.grpc_status, &limits::GRPC_STATUS);
        v.limit("reason", &self.reason, &limits::REASON);
        v.limit("message", &self.message, &limits::MESSAGE);
        v.require(self.http_status.is_none() || self.grpc_status.is_none(), "", TWO_STATUSES);
    }
}

/// A time as `expiresAt` wants it: RFC 3339, UTC, whole seconds.
pub fn rfc3339(at: std::time::SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()
}

fn all() -> f64 {
    100.0
}
