//! What is installed by Helm, and how.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ObjectName, rules};
use crate::{Duration, limits};

/// How a release is installed in a cluster; not used on a laptop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Release {
    /// Where the chart comes from.
    pub chart: Chart,
    /// Values for the chart; they win over all others.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schemars(schema_with = "free_object")]
    pub values: Map<String, Value>,
    /// Values from objects of kind `ConfigMap` and `Secret`, later ones win, at most 16.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub values_from: Vec<ValuesFrom>,
    /// How long installing may take, 10s to 1h.
    #[schemars(transform = &limits::INSTALL_TIMEOUT)]
    pub timeout: Duration,
    /// A volume for its data; absent, data is lost with the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistence: Option<Persistence>,
    /// Whether volumes are kept when the release is removed.
    pub retain_data: bool,
}

impl Default for Release {
    fn default() -> Self {
        Self {
            chart: Chart::default(),
            values: Map::new(),
            values_from: Vec::new(),
            timeout: Duration::from_secs(300),
            persistence: None,
            retain_data: false,
        }
    }
}

fn free_object(_: &mut SchemaGenerator) -> Schema {
    // Whole, not field by field: server-side apply leaves a null behind where the last field goes.
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true, "x-kubernetes-map-type": "atomic"})
}

/// Where a chart comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = rules::all(&[
    ("self.source != 'Embedded' || !(has(self.url) || has(self.name) || has(self.version) || has(self.secretRef))",
     "the Embedded chart takes no url, name, version or secretRef; remove them, or set source: Repository or OCI"),
    ("self.source == 'Embedded' || has(self.url)", "a chart from elsewhere needs url"),
    ("self.source != 'Repository' || has(self.name)", "a chart in a repository needs name"),
    ("self.source != 'OCI' || !has(self.url) || self.url.startsWith('oci://')", "the url of an OCI chart begins with oci://"),
])))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Chart {
    /// Kind of place. Those elsewhere are off unless the operator was installed with `charts.foreign` set to true.
    pub source: ChartSource,
    /// Address of the repository, or of the OCI chart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024), regex(pattern = rules::CHART_URL.0))]
    pub url: Option<String>,
    /// Name of the chart in the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = rules::NAME.0))]
    pub name: Option<String>,
    /// Version of the chart; absent, the newest.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub version: Option<String>,
    /// Secret with `username` and `password` for the place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<ObjectName>,
}

/// Kinds of places that charts come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ChartSource {
    /// The operator itself.
    #[default]
    Embedded,
    /// A chart repository.
    Repository,
    /// A registry of OCI artifacts.
    #[serde(rename = "OCI")]
    Oci,
}

/// Values for a chart from an object in the resource's namespace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ValuesFrom {
    /// Kind of the object.
    pub kind: ValuesKind,
    /// Name of the object.
    #[schemars(length(min = 1, max = 253), regex(pattern = rules::NAME.0))]
    pub name: String,
    /// Key under which the values stand, as YAML.
    #[serde(default = "ValuesFrom::default_key")]
    #[schemars(length(min = 1, max = 253), regex(pattern = rules::KEY.0))]
    pub key: String,
    /// Whether the object may be missing.
    #[serde(default)]
    pub optional: bool,
}

impl ValuesFrom {
    fn default_key() -> String {
        "values.yaml".to_owned()
    }
}

/// Kinds of objects that hold values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ValuesKind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = rules::all(&[
    ("has(self.storageClass) == has(oldSelf.storageClass) && (!has(self.storageClass) || self.storageClass == oldSelf.storageClass)",
     "storageClass cannot be changed; make a new resource and move the data"),
])))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Persistence {
    /// Size, such as `1Gi`.
    #[schemars(length(min = 1, max = 32), regex(pattern = rules::QUANTITY.0))]
    pub size: String,
    /// Storage class; absent, the cluster's default. Cannot be changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = rules::NAME.0))]
    pub storage_class: Option<String>,
}

impl Default for Persistence {
    fn default() -> Self {
        Self { size: "1Gi".to_owned(), storage_class: None }
    }
}

/// A value in a Secret of the resource's namespace; on a laptop the file `<secrets>/<name>/<key>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SecretRef {
    /// Name of the Secret.
    #[schemars(length(min = 1, max = 253), regex(pattern = rules::NAME.0))]
    pub name: String,
    /// Key in the Secret; absent, the usual one of the field: `password`, `token` or `ca.crt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = rules::KEY.0))]
    pub key: Option<String>,
}
