//! How `user_client` spreads calls over instances.

use serde::{Deserialize, Serialize};

use super::{Check, Violations};
use crate::{Duration, limits};

const MAX_BELOW_BASE: &str = "maxEjectionTime must not be shorter than baseEjectionTime";

/// Which instance gets the next call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum LoadBalancing {
    /// Smooth weighted round-robin, by the weights in the registry.
    #[default]
    WeightedRoundRobin,
    /// The better of two random instances, by latency, success and calls in flight; ignores weights.
    P2C,
    /// Any, each as likely; ignores weights.
    Random,
}

/// Takes an instance whose calls time out, or whose connections break, out of the rotation for a while. Errors that it answers do not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "crd",
    schemars(extend("x-kubernetes-validations" = [{
        "rule": "duration(self.maxEjectionTime) >= duration(self.baseEjectionTime)",
        "message": MAX_BELOW_BASE,
    }]))
)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct OutlierEjection {
    /// Whether instances are ejected.
    pub enabled: bool,
    /// Timeouts or connection failures in a row that eject an instance, 1 to 1000.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::CONSECUTIVE_FAILURES))]
    pub consecutive_failures: u32,
    /// How long the first ejection lasts, 100ms to 10m. An instance ejected again within that time after its return is out for twice as long, up to `maxEjectionTime`.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::BASE_EJECTION))]
    pub base_ejection_time: Duration,
    /// The longest ejection, 100ms to 1h.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::MAX_EJECTION))]
    pub max_ejection_time: Duration,
    /// Most instances ejected at a time, in percent, 0 to 50.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::EJECTION_PERCENT))]
    pub max_ejection_percent: u8,
}

impl Default for OutlierEjection {
    fn default() -> Self {
        Self {
            enabled: true,
            consecutive_failures: 5,
            base_ejection_time: Duration::from_secs(5),
            max_ejection_time: Duration::from_secs(60),
            max_ejection_percent: 50,
        }
    }
}

impl Check for OutlierEjection {
    fn check(&self, v: &mut Violations) {
        v.limit("consecutiveFailures", &self.consecutive_failures, &limits::CONSECUTIVE_FAILURES);
        v.limit("baseEjectionTime", &self.base_ejection_time, &limits::BASE_EJECTION);
        v.limit("maxEjectionTime", &self.max_ejection_time, &limits::MAX_EJECTION);
        v.limit("maxEjectionPercent", &self.max_ejection_percent, &limits::EJECTION_PERCENT);
        v.require(self.max_ejection_time >= self.base_ejection_time, "", MAX_BELOW_BASE);
    }
}

/// Second tries of calls that failed with 500 or 503, on another instance if there is one; a broken connection is a 503, too.
///
/// The first instance may have carried the call out, so repeating it has to be safe. A call that surely was not begun is no matter of
/// retries: it is offered to another instance whether they are enabled or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Retries {
    /// Whether failed calls are tried again.
    pub enabled: bool,
    /// Tries a call has in all, the first included, 2 to 5.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::ATTEMPTS))]
    pub max_attempts: u8,
    /// Most retries, in percent of the calls, 1 to 100; ten a second come on top.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::RETRY_BUDGET))]
    pub budget_percent: u8,
}

impl Default for Retries {
    fn default() -> Self {
        Self { enabled: false, max_attempts: 2, budget_percent: 20 }
    }
}

impl Check for Retries {
    fn check(&self, v: &mut Violations) {
        v.limit("maxAttempts", &self.max_attempts, &limits::ATTEMPTS);
        v.limit("budgetPercent", &self.budget_percent, &limits::RETRY_BUDGET);
    }
}
