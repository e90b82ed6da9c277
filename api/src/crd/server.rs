//! How `user_info` is run.

use k8s_openapi::api::core::v1::{EnvVar, ResourceRequirements};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ServerTls, rules};
use crate::config::{self, Log, LogFormat};
use crate::{Duration, limits};

/// How `user_info` listens, logs and is run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = rules::all(&[
    ("self.grpcPort != self.httpPort", "grpcPort and httpPort are the same; give each its own"),
    ("!has(self.metricsPort) || (self.metricsPort != self.grpcPort && self.metricsPort != self.httpPort)",
     "metricsPort is also grpcPort or httpPort; give it its own, or leave it out to have the metrics on httpPort"),
    ("!has(self.tls) || has(self.metricsPort)",
     "tls needs metricsPort, since probes and Prometheus ask without TLS; give it a port of its own, such as 8002"),
])))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Server {
    /// Port for gRPC, 1 to 65535. On a laptop the first instance has it, further ones have free ports.
    #[schemars(transform = &limits::PORT)]
    pub grpc_port: u16,
    /// Port for HTTP, 1 to 65535.
    #[schemars(transform = &limits::PORT)]
    pub http_port: u16,
    /// Port for /metrics, /healthz, /readyz and /config alone, 1 to 65535; absent, they are served on `httpPort`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = &limits::PORT)]
    pub metrics_port: Option<u16>,
    /// TLS on `grpcPort` and `httpPort`; absent, both speak plaintext. Needs `metricsPort`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ServerTls>,
    /// Weights of the instances under weighted round-robin, in their order, each 1 to 10000, at most 100. An instance without one has 100.
    ///
    /// Pods of a Deployment have no order: in a cluster the operator refuses a list that does not give all instances the same weight.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(transform = &limits::WEIGHTS)]
    pub weights: Vec<u32>,
    /// Version of the service, registered as the tag `version=<version>`.
    #[schemars(transform = &limits::VERSION)]
    pub version: String,
    /// Longest time a call may take, 1ms to 1h; a caller's shorter deadline wins.
    #[schemars(transform = &limits::CALL_TIMEOUT)]
    pub timeout: Duration,
    /// Single-threaded workers, 0 to 256; 0 is one for each CPU of the container's or machine's limit.
    #[schemars(transform = &limits::WORKERS)]
    pub workers: u16,
    /// Calls in flight in one instance, over all connections, 1 to 1000000; more are answered 503 OVERLOADED. Default: 32768.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = &limits::IN_FLIGHT)]
    pub max_in_flight: Option<u32>,
    /// What calls in flight may hold in one instance of what their callers sent, in bytes, 4194304 to 1099511627776; calls that need more are
    /// answered 503 OVERLOADED. docs/guarantees.md derives from this, `maxInFlight` and `maxConnections` what an instance takes at most.
    /// Default: 67108864.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = &limits::BUFFERED_BYTES)]
    pub max_buffered_bytes: Option<u64>,
    /// Open connections of each listener of one instance, 1 to 1000000; more are closed at once.
    #[schemars(transform = &limits::CONNECTIONS)]
    pub max_connections: u32,
    /// On stop: how long to serve on after leaving the registry, so that callers notice, 0s to 10m.
    #[schemars(transform = &limits::GRACE)]
    pub drain_delay: Duration,
    /// On stop: how long calls in flight may take after that, 0s to 10m.
    #[schemars(transform = &limits::GRACE)]
    pub shutdown_timeout: Duration,
    /// What is logged. Changes live.
    pub log: Log,
    /// How log lines look.
    pub log_format: LogFormat,
    /// Environment variables, at most 64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub env: Vec<EnvVar>,
    /// CPU and memory of a pod. Not used on a laptop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resources: Option<ResourceRequirements>,
}

impl Default for Server {
    fn default() -> Self {
        let server = config::Server::default();
        Self {
            grpc_port: server.grpc.listen.port(),
            http_port: server.http.listen.port(),
            metrics_port: None,
            tls: None,
            weights: Vec::new(),
            version: String::new(),
            timeout: server.timeout,
            workers: server.workers,
            max_in_flight: server.max_in_flight,
            max_buffered_bytes: server.max_buffered_bytes,
            max_connections: server.max_connections,
            drain_delay: server.drain_delay,
            shutdown_timeout: server.shutdown_timeout,
            log: Log::default(),
            log_format: LogFormat::default(),
            env: Vec::new(),
            resources: None,
        }
    }
}
