//! The rate limiter of `user_info`.

use serde::{Deserialize, Serialize};

use super::{Check, Violations};
use crate::limits;

const BBR_HAS_NO_RATES: &str = "algorithm BBR has no rates; scope: Client and overrides are for TokenBucket";

/// Refuses calls beyond a rate, with 429 RATELIMIT. Limits hold for one instance, over gRPC and HTTP together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[cfg_attr(
    feature = "crd",
    schemars(extend("x-kubernetes-validations" = [{
        "rule": "self.algorithm != 'BBR' || (self.scope == 'Instance' && (!has(self.overrides) || self.overrides.size() == 0))",
        "message": BBR_HAS_NO_RATES,
    }]))
)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct RateLimiter {
    /// Whether the limiter is in force; `false` keeps the settings but lets every call pass.
    pub enabled: bool,
    /// `TokenBucket` refuses above a fixed rate; `BBR` refuses when the CPU is busy and more calls are in flight than the best recent
    /// throughput needs.
    pub algorithm: Algorithm,
    /// Tokens a second (`TokenBucket`), 1 to 10000000. 2000 is one each 500 us.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::RATE))]
    pub requests_per_second: u32,
    /// Tokens that may be saved up (`TokenBucket`), 1 to 10000000.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::BURST))]
    pub burst: u32,
    /// `Instance`: one bucket for all callers; `Client`: one for each caller, told apart by the header `x-md-service-name`.
    pub scope: Scope,
    /// Rates of single callers, at most 32.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "crd", schemars(transform = &limits::OVERRIDES))]
    pub overrides: Vec<ClientLimit>,
}

/// How the limiter decides.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum Algorithm {
    /// A fixed rate with a burst.
    #[default]
    TokenBucket,
    /// Adaptive, by CPU and in-flight calls, as Kratos' default limiter.
    #[serde(rename = "BBR")]
    Bbr,
}

/// What shares one token bucket.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
pub enum Scope {
    /// All callers of the instance.
    #[default]
    Instance,
    /// Each caller on its own.
    Client,
}

/// The rate of one caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "crd", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ClientLimit {
    /// The caller's service name, as it sends it in `x-md-service-name`, 1 to 253 characters.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::CALLER))]
    pub client: String,
    /// Tokens a second for this caller, 1 to 10000000.
    #[cfg_attr(feature = "crd", schemars(transform = &limits::RATE))]
    pub requests_per_second: u32,
}

impl Default for RateLimiter {
    fn default() -> Self {
        Self {
            enabled: true,
            algorithm: Algorithm::TokenBucket,
            requests_per_second: 2000,
            burst: 1,
            scope: Scope::Instance,
            overrides: Vec::new(),
        }
    }
}

impl Check for RateLimiter {
    fn check(&self, v: &mut Violations) {
        v.limit("requestsPerSecond", &self.requests_per_second, &limits::RATE);
        v.limit("burst", &self.burst, &limits::BURST);
        let rates = self.scope == Scope::Client || !self.overrides.is_empty();
        v.require(self.algorithm != Algorithm::Bbr || !rates, "", BBR_HAS_NO_RATES);
        v.limit("overrides", &self.overrides, &limits::OVERRIDES);
        self.overrides.iter().for_each(|limit| v.within("overrides", limit));
    }
}

impl Check for ClientLimit {
    fn check(&self, v: &mut Violations) {
        v.limit("client", &self.client, &limits::CALLER);
        v.limit("requestsPerSecond", &self.requests_per_second, &limits::RATE);
    }
}
