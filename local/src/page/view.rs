//! What the page is told: a snapshot whenever something changes, a sample each second.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::Serialize;

/// What runs, and from which spec.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Generation of the running spec; each edit in force adds one.
    pub generation: i64,
    /// Name of the `UserInfoDeployment`.
    pub name: String,
    /// The running spec, defaults filled in.
    pub spec: serde_json::Value,
    /// The whole object as YAML, as `user-info-local` and `kubectl apply` take it.
    pub yaml: String,
    /// The file that the object was read from, as the person named it.
    pub file: String,
    /// Whether the running spec differs from the file, as it does after an edit on the page.
    pub differs_from_file: bool,
    /// Why the last edit of the file was refused; the running spec stays in force until the file is mended.
    pub problem: Option<String>,
    /// Every process, in the order in which to show them.
    pub processes: Vec<Process>,
}

/// One process (or a part of this one: the agent and the page).
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Name, unique in the snapshot; samples of an instance carry the same.
    pub name: String,
    /// What it does.
    pub role: Role,
    /// How it is.
    pub state: ProcessState,
    /// Process id, while it runs.
    pub pid: Option<u32>,
    /// Where it serves gRPC.
    pub grpc: Option<SocketAddr>,
    /// Where it serves HTTP.
    pub http: Option<SocketAddr>,
    /// Where it serves the admin endpoints.
    pub admin: Option<SocketAddr>,
    /// Unplanned restarts so far.
    pub restarts: u32,
    /// Weight in the round-robin, of an instance.
    pub weight: Option<u32>,
    /// Generation of the spec that it confirmed.
    pub generation: Option<i64>,
    /// Seconds since it entered `state`.
    pub since_seconds: u64,
    /// What a person should know, such as the last exit status.
    pub note: Option<String>,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// The registry over Consul's HTTP API.
    Agent,
    /// An instance of the service.
    UserInfo,
    /// The caller.
    UserClient,
    /// This page.
    Page,
}

/// How a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ProcessState {
    /// Started, not ready yet.
    Starting,
    /// Serves.
    Ready,
    /// Finishes the calls in flight, takes no new ones.
    Draining,
    /// Ended without being asked to; starts again after a pause.
    Restarting,
    /// Ended as asked.
    Stopped,
    /// Cannot use its configuration; a change of the spec starts it again.
    Failed,
}

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
    pub mode: user_info_api::config::BreakerMode,
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
