//! What the operator reports.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AddonMode;
use crate::config::{FaultInjection, RateLimiter};

/// What the operator found and did.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct UserInfoDeploymentStatus {
    /// Generation of the spec that the rest of the status speaks of.
    pub observed_generation: i64,
    /// Instances there are.
    pub replicas: i32,
    /// Instances that are ready.
    pub ready_replicas: i32,
    /// Instances made from the newest pod template.
    pub updated_replicas: i32,
    /// Instances that have been ready for a while.
    pub available_replicas: i32,
    /// Label selector of the instances' pods, for the scale subresource.
    #[schemars(length(max = 1024))]
    pub selector: String,
    /// `Ready`, `Available`, `Progressing`, `Degraded`, `AddonsReady`, `Paused` and `Stalled`.
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"])
    )]
    pub conditions: Vec<Condition>,
    /// Releases that belong to the system.
    #[schemars(
        length(max = 16),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub addons: Vec<AddonStatus>,
    /// What the instances confirmed to be in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
    /// The clock of faults that end by themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub faults: Option<Faults>,
    /// Where the parts of the system are reached.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Endpoints>,
}

/// The clock of faults with `expireAfter`. Only other faults start it anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Faults {
    /// Hash of the spec's `faultInjection` that the clock belongs to.
    #[schemars(length(max = 64))]
    pub hash: String,
    /// When the operator first saw these faults.
    pub since: Time,
    /// When they end.
    pub expires_at: Time,
}

/// One release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddonStatus {
    /// Name of the addon: consul, prometheus, grafana, mysql or redis.
    #[schemars(length(max = 63))]
    pub name: String,
    /// Whose it is.
    #[serde(default)]
    pub mode: AddonMode,
    /// Name of the Helm release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Revision of the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Name of the chart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<String>,
    /// Version of the chart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Digest of chart, values and flags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// How far it is.
    #[serde(default)]
    pub phase: AddonPhase,
    /// Failures in a row.
    #[serde(default)]
    pub failures: i32,
    /// Where it is reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// What went wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Objects of the release that are not in the resource's namespace, as `Kind name` or `Kind namespace/name`. They stay when the
    /// namespace is deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(max = 512)))]
    pub outside: Vec<String>,
}

/// How far a release is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AddonPhase {
    /// Nothing has been done yet.
    #[default]
    Pending,
    /// Helm is at work, or its pods are not ready.
    Progressing,
    /// It is up.
    Ready,
    /// The last try failed.
    Failed,
    /// It is being removed.
    Removing,
}

/// What instances confirmed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Applied {
    /// Hash of the configuration.
    pub config_hash: String,
    /// Generation of the spec that the instances confirmed.
    pub generation: i64,
    /// Instances that confirmed it.
    pub instances: i32,
    /// Image of the instances.
    pub image: String,
    /// Rate limiter in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limiter: Option<RateLimiter>,
    /// Faults in force.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault_injection: Option<FaultInjection>,
}

/// Where the parts of the system are reached within the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Endpoints {
    /// gRPC, `host:port`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc: Option<String>,
    /// HTTP, a URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// Prometheus, a URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prometheus: Option<String>,
    /// Grafana, a URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grafana: Option<String>,
    /// Consul, a URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consul: Option<String>,
}
