//! The part of Consul's HTTP API that is spoken here, field for field.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

/// Body of `PUT /v1/agent/service/register`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Registration {
    /// Identity of the instance, unique on its agent.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name of the service.
    pub name: String,
    /// Tags; Kratos keeps the version in one of them.
    pub tags: Vec<String>,
    /// Endpoints by URL scheme.
    pub tagged_addresses: BTreeMap<String, TaggedAddress>,
    /// Host of the first endpoint.
    pub address: String,
    /// Port of the first endpoint.
    pub port: u16,
    /// Metadata of the instance.
    pub meta: BTreeMap<String, String>,
    /// How the agent finds out whether the instance is well.
    pub checks: Vec<CheckDefinition>,
}

/// One endpoint of a service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct TaggedAddress {
    /// In Kratos the whole URL, such as `grpc://10.0.0.7:9001`.
    pub address: String,
    /// Its port.
    #[serde(default, deserialize_with = "port")]
    pub port: u16,
}

/// A check to register. Durations are Go's: `10s`, `500ms`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CheckDefinition {
    /// Identity; Consul numbers the checks that have none.
    #[serde(rename = "CheckID", skip_serializing_if = "Option::is_none")]
    pub check_id: Option<String>,
    /// Address to open a connection to at each interval.
    #[serde(rename = "TCP", skip_serializing_if = "Option::is_none")]
    pub tcp: Option<String>,
    /// Time between connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// Longest time opening a connection may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
    /// Longest time between two heartbeats.
    #[serde(rename = "TTL", skip_serializing_if = "Option::is_none")]
    pub ttl: Option<String>,
    /// How long the check may be critical before the service is forgotten.
    pub deregister_critical_service_after: String,
    /// State to begin with.
    pub status: String,
}

/// Body of `PUT /v1/agent/check/update/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct CheckUpdate {
    /// `passing`, `warning` or `critical`.
    pub status: &'static str,
    /// What a person reads beside it.
    pub output: &'static str,
}

/// One element of the answer to `GET /v1/health/service/<name>`, if it can be read; see [`Entry`](super::Entry).
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
    pub node: String,
    /// Address that stands in for an instance without one.
    pub address: String,
}

/// An instance as Consul tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthService {
    /// Identity of the instance.
    #[serde(rename = "ID")]
    pub id: String,
    /// Tags.
    #[serde(deserialize_with = "null_is_empty")]
    pub tags: Vec<String>,
    /// Endpoints by URL scheme, and Consul's own `lan_ipv4` and the like.
    #[serde(deserialize_with = "null_is_empty")]
    pub tagged_addresses: BTreeMap<String, TaggedAddress>,
    /// Host; may be empty.
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

/// Go writes an empty list or map as `null`.
fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Option::deserialize(d).map(Option::unwrap_or_default)
}

/// Consul's catalog takes any number for a port.
fn port<'de, D: Deserializer<'de>>(d: D) -> Result<u16, D::Error> {
    let number = i64::deserialize(d)?;
    u16::try_from(number).map_err(|_| serde::de::Error::custom(format_args!("{number} is not a port: 0 to 65535")))
}
