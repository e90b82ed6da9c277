//! What was counted in one second.

use std::collections::BTreeMap;

use serde::Serialize;
use user_info_api::config::BreakerMode;

/// One second of traffic. All rates are calls a second.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// Unix time in seconds; rises from sample to sample.
    pub t: f64,
    /// What the instances count.
    pub instances: Vec<InstanceSample>,
    /// What the caller counts, if one runs.
    pub client: Option<ClientSample>,
}

/// One second of one instance.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceSample {
    /// Name of its process.
    pub name: String,
    /// Its gRPC address, which replies carry as `ipAddr`.
    pub address: String,
    /// Calls answered, refused ones included.
    pub calls_per_s: f64,
    /// The same by code and reason: `"0"` is success, else as in `"429 RATELIMIT"`.
    pub codes: BTreeMap<String, f64>,
    /// Calls that took at most so many seconds, by the bucket's bound: cumulative, as Prometheus has them, `"+Inf"` included.
    pub latency: BTreeMap<String, f64>,
    /// Calls in flight.
    pub inflight: u64,
}

/// One second of the caller.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientSample {
    /// Calls made, those that the breaker refused included.
    pub calls_per_s: f64,
    /// The same by code and reason, as in [`InstanceSample::codes`].
    pub codes: BTreeMap<String, f64>,
    /// Calls by the gRPC address that took them.
    pub instances: BTreeMap<String, f64>,
    /// The circuit breaker, if one is in force.
    pub breaker: Option<Breaker>,
    /// Median of the calls' time in seconds.
    pub p50: Option<f64>,
    /// 99th percentile of the calls' time in seconds.
    pub p99: Option<f64>,
}

/// The circuit breaker at the end of a second.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Breaker {
    /// Whether it refuses.
    pub state: BreakerState,
    /// How it works.
    pub mode: BreakerMode,
    /// Share of the calls that it let pass, 0 to 1.
    pub admission: f64,
}

/// Whether a breaker refuses calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum BreakerState {
    /// All calls pass.
    Closed,
    /// Most calls are refused.
    Open,
}
