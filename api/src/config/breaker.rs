//! The circuit breaker of `user_client`.

use serde::{Deserialize, Serialize};

use super::{Check, Violations};
use crate::{Duration, limits};

/// Refuses calls locally, with 503 CIRCUITBREAKER, while the service fails. One breaker an operation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct CircuitBreaker {
    /// Whether the breaker is in force.
    pub enabled: bool,
    /// `Bounded` probes the service while it is open and recovers within two seconds, step by step; `Kratos` behaves as the Go one.
    pub mode: BreakerMode,
    /// Share of calls that must succeed, 0.01 to 1; the breaker opens below it (K = 1 / successRatio).
    #[cfg_attr(feature = "crd", schemars(transform = &limits::SUCCESS_RATIO))]
    pub success_ratio: f64,
    /// Calls within the window before the breaker may open, 1 to 1000000.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::MINIMUM_REQUESTS))]
    pub minimum_requests: u32,
    /// Length of the rolling window, 100ms to 10m; it has 10 buckets.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::WINDOW))]
    pub window: Duration,
    /// Calls a second that pass an open breaker (Bounded) as long as nothing speaks for the service, 1 to 10000.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::PROBES))]
    pub probes_per_second: u32,
}

impl Eq for CircuitBreaker {}

/// How the breaker opens and closes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum BreakerMode {
    /// Its own refusals do not count; open, a few probes a second pass, and more step by step as they meet successRatio, until it
    /// closes.
    #[default]
    Bounded,
    /// Its own refusals count as failures, as in Go-Kratos; after an outage it needs 15 to 24 s.
    Kratos,
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self {
            enabled: true,
            mode: BreakerMode::Bounded,
            success_ratio: 0.6,
            minimum_requests: 100,
            window: Duration::from_secs(3),
            probes_per_second: 5,
        }
    }
}

impl Check for CircuitBreaker {
    fn check(&self, v: &mut Violations) {
        v.limit("successRatio", &self.success_ratio, &limits::SUCCESS_RATIO);
        v.limit("minimumRequests", &self.minimum_requests, &limits::MINIMUM_REQUESTS);
        v.limit("window", &self.window, &limits::WINDOW);
        v.limit("probesPerSecond", &self.probes_per_second, &limits::PROBES);
    }
}
