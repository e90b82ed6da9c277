//! The root of the resource and its spec.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Addons, Autoscaling, Client, Data, Disruption, FaultInjection, Image, NetworkPolicy, PodTemplate, Scheduling, Server, Tracing,
    UserInfoDeploymentStatus, rules,
};
use crate::config::RateLimiter;

/// A user-information service, the client that calls it, and what both need, as one resource.
///
/// Every field has a default; `spec: {}` is a complete system.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "userinfo.bbs.dev",
    version = "v1alpha1",
    kind = "UserInfoDeployment",
    plural = "userinfodeployments",
    singular = "userinfodeployment",
    shortname = "uinfo",
    category = "bbs",
    namespaced,
    derive = "PartialEq",
    status = "UserInfoDeploymentStatus",
    doc = "A user-information service, the client that calls it, and what both need: registry, stores, metrics and dashboards.",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    validation = Rule::new("self.metadata.name.size() <= 40")
        .message("metadata.name must have at most 40 characters; names of further objects are made from it"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name must begin with a letter and hold only lower-case letters, digits and '-', the last one no '-'"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Replicas", type_ = "integer", json_path = ".status.readyReplicas"),
    printcolumn(name = "Desired", type_ = "integer", json_path = ".spec.replicas"),
    printcolumn(name = "Limit", type_ = "integer", json_path = ".status.applied.rateLimiter.requestsPerSecond"),
    printcolumn(name = "Addons", type_ = "string", json_path = ".status.conditions[?(@.type==\"AddonsReady\")].status", priority = "1"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].message", priority = "1"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[schemars(extend("x-kubernetes-validations" = rules::all(&[
    ("!has(self.server.weights) || self.server.weights.size() == 0 || self.addons.consul.mode != 'Disabled'",
     "server.weights reach the client through the registry; set addons.consul.mode to Managed or External"),
    ("!has(self.server.tls) || !has(self.server.tls.clientCaSecretRef) || !self.client.enabled || has(self.client.tls)",
     "server.tls.clientCaSecretRef asks callers for a certificate; name that of user_client in client.tls.secretName, or set \
      client.enabled to false"),
    ("!has(self.client.tls) || has(self.server.tls)",
     "client.tls is shown to nobody, since user_info speaks plaintext; set server.tls, or leave client.tls out"),
    ("self.autoscaling.mode != 'Managed' || (has(self.server.resources) && has(self.server.resources.requests) \
      && 'cpu' in self.server.resources.requests)",
     "autoscaling by CPU use needs server.resources.requests.cpu"),
])))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct UserInfoDeploymentSpec {
    /// Instances of `user_info`, 0 to 1000. Leave it out of manifests while `autoscaling.mode` is Managed.
    #[schemars(range(max = 1000))]
    pub replicas: u32,
    /// Container image that holds `user_info` and `user_client`. Not used on a laptop.
    pub image: Image,
    /// Registry put before the repository of every image, those of the addons included, such as `registry.example.com/mirror`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = rules::REPOSITORY.0))]
    pub image_registry: Option<String>,
    /// How `user_info` listens, logs and is run.
    pub server: Server,
    /// How `user_client` calls `user_info`. `version`, `metricsPort`, `tls`, `logFormat`, `env`, `image` and `resources` take a restart; all else changes without one.
    pub client: Client,
    /// Rate limiter of `user_info`; absent, every call passes. Changes live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate_limiter: Option<RateLimiter>,
    /// Faults that `user_info` injects; absent, none. Changes live.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault_injection: Option<FaultInjection>,
    /// Who sets the number of instances. Not used on a laptop.
    pub autoscaling: Autoscaling,
    /// Where pods run. Not used on a laptop.
    pub scheduling: Scheduling,
    /// How many instances may be down when nodes are drained. Not used on a laptop.
    pub disruption: Disruption,
    /// Which traffic reaches the pods. Not used on a laptop.
    pub network_policy: NetworkPolicy,
    /// What is added to every pod. Not used on a laptop.
    pub pod_template: PodTemplate,
    /// Stores of users and page views.
    pub data: Data,
    /// Registry, metrics and dashboards.
    pub addons: Addons,
    /// Where traces go; by default nowhere.
    pub tracing: Tracing,
    /// Holding and stopping the system.
    pub operation: Operation,
    /// What becomes of the system when the resource is deleted.
    pub deletion_policy: DeletionPolicy,
    /// What happens when someone else changes what the operator made.
    pub drift_detection: DriftDetection,
}

impl Default for UserInfoDeploymentSpec {
    fn default() -> Self {
        Self {
            replicas: 1,
            image: Image::default(),
            image_registry: None,
            server: Server::default(),
            client: Client::default(),
            rate_limiter: None,
            fault_injection: None,
            autoscaling: Autoscaling::default(),
            scheduling: Scheduling::default(),
            disruption: Disruption::default(),
            network_policy: NetworkPolicy::default(),
            pod_template: PodTemplate::default(),
            data: Data::default(),
            addons: Addons::default(),
            tracing: Tracing::default(),
            operation: Operation::default(),
            deletion_policy: DeletionPolicy::default(),
            drift_detection: DriftDetection::default(),
        }
    }
}

/// Holding and stopping the system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Operation {
    /// Whether changes of the spec wait. What runs goes on running.
    pub paused: bool,
    /// Whether all instances and clients are stopped; addons and data are kept.
    pub stopped: bool,
}

/// What becomes of the system when the resource is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// It is removed.
    #[default]
    Delete,
    /// It goes on running, on its own; a resource of the same name takes it up again.
    Retain,
}

/// What happens when someone else changes what the operator made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DriftDetection {
    /// It is changed back.
    #[default]
    Correct,
    /// It is reported.
    Warn,
    /// Nothing.
    Disabled,
}
