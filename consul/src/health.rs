//! What the registry answers about the instances of a service.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::read::{null_is_empty, port};
use crate::registration::TaggedAddress;

/// One element of the answer to `GET /v1/health/service/<name>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthEntry {
    /// The agent's machine.
    pub node: HealthNode,
    /// The instance.
    pub service: HealthService,
}

/// The machine an instance is registered on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthNode {
    /// Its name.
    #[serde(deserialize_with = "null_is_empty")]
    pub node: String,
    /// Address that stands in for an instance without one.
    #[serde(deserialize_with = "null_is_empty")]
    pub address: String,
}

/// An instance as Consul tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthService {
    /// Empty, or what a service mesh has registered it as, such as `connect-proxy`.
    #[serde(deserialize_with = "null_is_empty")]
    pub kind: String,
    /// Identity of the instance.
    #[serde(rename = "ID", deserialize_with = "null_is_empty")]
    pub id: String,
    /// Tags.
    #[serde(deserialize_with = "null_is_empty")]
    pub tags: Vec<String>,
    /// Endpoints by URL scheme, and Consul's own `lan_ipv4` and the like.
    #[serde(deserialize_with = "null_is_empty")]
    pub tagged_addresses: BTreeMap<String, TaggedAddress>,
    /// Host; may be empty.
    #[serde(deserialize_with = "null_is_empty")]
    pub address: String,
    /// Port; may be 0.
    #[serde(deserialize_with = "port")]
    pub port: u16,
    /// Metadata.
    #[serde(deserialize_with = "null_is_empty")]
    pub meta: BTreeMap<String, String>,
    /// Raft index of the last change.
    pub modify_index: u64,
}
