//! Faults injected on purpose.

use serde::{Deserialize, Serialize};

use super::{Check, Violations};
use crate::Duration;

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
    #[cfg_attr(feature = "crd", schemars(extend("x-kubernetes-validations" = crate::crd::rules::span("0s", "1h"))))]
    pub fixed_delay: Duration,
    /// Share of the calls, 0 to 100.
    #[serde(default = "all")]
    #[cfg_attr(feature = "crd", schemars(range(min = 0.0, max = 100.0)))]
    pub percentage: f64,
}

impl Eq for Delay {}

impl Check for Delay {
    fn check(&self, v: &mut Violations) {
        v.range("fixedDelay", self.fixed_delay, Duration::default(), Duration::from_secs(3600));
        v.range("percentage", self.percentage, 0.0, 100.0);
    }
}

/// An error for a share of the calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "crd",
    schemars(extend("x-kubernetes-validations" = [{
        "rule": "!(has(self.httpStatus) && has(self.grpcStatus))",
        "message": "set httpStatus or grpcStatus, not both",
    }]))
)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Abort {
    /// Share of the calls, 0 to 100.
    #[cfg_attr(feature = "crd", schemars(range(min = 0.0, max = 100.0)))]
    pub percentage: f64,
    /// HTTP status of the error, 400 to 599; 500 if neither status is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 400, max = 599)))]
    pub http_status: Option<u16>,
    /// gRPC status of the error, 1 to 16. Errors carry an HTTP status, so 2 and 15 arrive as 13, 6 as 10, and 9 and 11 as 3.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "crd", schemars(range(min = 1, max = 16)))]
    pub grpc_status: Option<u16>,
    /// Reason of the error, as callers and metrics see it.
    #[cfg_attr(feature = "crd", schemars(length(min = 1, max = 64)))]
    pub reason: String,
    /// Message of the error.
    #[cfg_attr(feature = "crd", schemars(length(max = 256)))]
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
        v.range("percentage", self.percentage, 0.0, 100.0);
        v.require(self.http_status.is_none() || self.grpc_status.is_none(), "", "set httpStatus or grpcStatus, not both");
        if let Some(status) = self.http_status {
            v.range("httpStatus", status, 400, 599);
        }
        if let Some(status) = self.grpc_status {
            v.range("grpcStatus", status, 1, 16);
        }
        v.require((1..=64).contains(&self.reason.len()), "reason", "must have 1 to 64 characters");
        v.require(self.message.len() <= 256, "message", "must have at most 256 characters");
    }
}

/// A time as `expiresAt` wants it: RFC 3339, UTC, whole seconds.
pub fn rfc3339(at: std::time::SystemTime) -> String {
    humantime::format_rfc3339_seconds(at).to_string()
}

fn all() -> f64 {
    100.0
}
