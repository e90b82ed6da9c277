//! How `user_client` is run.

use k8s_openapi::api::core::v1::{EnvVar, ResourceRequirements};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ClientTls, Image};
use crate::config::{CircuitBreaker, LoadBalancing, Log, LogFormat, OutlierEjection, Retries, UserClientLive};
use crate::{Duration, limits};

/// How `user_client` calls `user_info`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Client {
    /// Whether there is a client at all.
    pub enabled: bool,
    /// Instances of `user_client`, 0 to 100.
    #[schemars(range(max = 100))]
    pub replicas: u32,
    /// Image of its own; absent, the one of `user_info`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<Image>,
    /// Calls a second of each instance, 0 to 10000000; 0 is as fast as the replies come.
    #[schemars(transform = &limits::CLIENT_RATE)]
    pub requests_per_second: u32,
    /// Calls in flight at a time, 0 to 10000; 0 pauses the client.
    #[schemars(transform = &limits::CONCURRENCY)]
    pub concurrency: u16,
    /// Users asked for, one after the other, 1 to 1000 ids.
    #[schemars(transform = &limits::RESOURCE_USER_IDS)]
    pub user_ids: Vec<i64>,
    /// Longest time a call may take, 1ms to 1h.
    #[schemars(transform = &limits::CALL_TIMEOUT)]
    pub timeout: Duration,
    /// Which instance gets the next call.
    pub load_balancing: LoadBalancing,
    /// Calls only instances of this version; absent, all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(transform = &limits::VERSION)]
    pub version: Option<String>,
    /// Ejection of instances whose calls time out or whose connections break.
    pub outlier_ejection: OutlierEjection,
    /// Second tries of calls that failed with 500 or 503.
    pub retries: Retries,
    /// Circuit breaker.
    pub circuit_breaker: CircuitBreaker,
    /// Port for /metrics, /healthz, /readyz and /config, 1 to 65535.
    #[schemars(transform = &limits::PORT)]
    pub metrics_port: u16,
    /// Certificate to show to `user_info`, where `server.tls.clientCaSecretRef` asks for one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ClientTls>,
    /// What is logged.
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

impl Default for Client {
    fn default() -> Self {
        let live = UserClientLive::default();
        Self {
            enabled: true,
            replicas: 1,
            image: None,
            requests_per_second: live.requests_per_second,
            concurrency: live.concurrency,
            user_ids: live.user_ids,
            timeout: live.timeout,
            load_balancing: live.load_balancing,
            version: None,
            outlier_ejection: live.outlier_ejection,
            retries: live.retries,
            circuit_breaker: live.circuit_breaker,
            metrics_port: 8100,
            tls: None,
            log: live.log,
            log_format: LogFormat::default(),
            env: Vec::new(),
            resources: None,
        }
    }
}
