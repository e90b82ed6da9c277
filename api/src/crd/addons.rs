//! Registry, metrics and dashboards.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ObjectName, Release, SecretRef, rules};
use crate::limits;

/// Registry, metrics and dashboards.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Addons {
    /// Registry in which instances are found.
    pub consul: Consul,
    /// What collects metrics. On a laptop the web page stands in for it.
    pub prometheus: Prometheus,
    /// What shows metrics. On a laptop the web page stands in for it.
    pub grafana: Grafana,
}

/// Whose an addon is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AddonMode {
    /// Installed with the system; on a laptop an embedded stand-in.
    #[default]
    Managed,
    /// Someone else's, at `external.address`.
    External,
    /// None.
    Disabled,
}

/// An addon that someone else runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct External {
    /// URL of the addon, such as `http://prometheus.monitoring:9090`.
    #[schemars(transform = &limits::ADDON_URL)]
    pub address: String,
    /// Credentials for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
}

/// A Consul that someone else runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExternalConsul {
    /// Agents as `host:port`, up to 16 with commas between; the first that answers is used until it fails.
    #[schemars(transform = &limits::AGENT_LIST)]
    pub address: String,
    /// ACL token; its usual key is `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
}

/// Registry in which instances are found. Disabled, `user_client` finds them by DNS in a cluster, and by their addresses on a laptop.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = rules::external()))]
#[serde(rename_all = "camelCase", default)]
pub struct Consul {
    /// Whose Consul.
    pub mode: AddonMode,
    /// The Consul of someone else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<ExternalConsul>,
    /// How it is installed.
    #[serde(flatten)]
    pub release: Release,
}

/// What collects metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = rules::external()))]
#[serde(rename_all = "camelCase", default)]
pub struct Prometheus {
    /// Whose Prometheus.
    pub mode: AddonMode,
    /// The Prometheus of someone else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
    /// Whether a `ServiceMonitor` tells the Prometheus Operator of the pods.
    pub service_monitor: ServiceMonitor,
    /// Whether alert rules are installed.
    pub rules: bool,
    /// How it is installed.
    #[serde(flatten)]
    pub release: Release,
}

impl Default for Prometheus {
    fn default() -> Self {
        Self {
            mode: AddonMode::default(),
            external: None,
            service_monitor: ServiceMonitor::default(),
            rules: true,
            release: Release::default(),
        }
    }
}

/// Whether a `ServiceMonitor` is made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ServiceMonitor {
    /// If the cluster knows the kind.
    #[default]
    Auto,
    /// Yes; an error if the cluster does not know the kind.
    Enabled,
    /// No.
    Disabled,
}

/// What shows metrics.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = rules::external()))]
#[serde(rename_all = "camelCase", default)]
pub struct Grafana {
    /// Whose Grafana.
    pub mode: AddonMode,
    /// The Grafana of someone else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
    /// Secret with `admin-user` and `admin-password`; absent, one is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_secret_ref: Option<ObjectName>,
    /// Dashboards that come with the system.
    pub dashboards: Dashboards,
    /// How it is installed.
    #[serde(flatten)]
    pub release: Release,
}

/// Dashboards that come with the system.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Dashboards {
    /// Whether they are installed.
    pub enabled: bool,
    /// Folder in which Grafana shows them.
    #[schemars(length(min = 1, max = 64))]
    pub folder: String,
}

impl Default for Dashboards {
    fn default() -> Self {
        Self { enabled: true, folder: "user-info".to_owned() }
    }
}
