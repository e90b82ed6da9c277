//! Checks of a service: how they are asked for, and how they are told to be well.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use crate::duration::GoDuration;

/// A check to run: TTL or TCP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CheckDefinition {
    /// Identity; the agent numbers the checks that have none.
    #[serde(rename = "CheckID", skip_serializing_if = "String::is_empty")]
    pub check_id: String,
    /// Name; made from the service's if empty.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// What a person wrote beside it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub notes: String,
    /// Address to open a connection to at each interval.
    #[serde(rename = "TCP", skip_serializing_if = "String::is_empty")]
    pub tcp: String,
    /// Time between connections.
    #[serde(skip_serializing_if = "GoDuration::is_zero")]
    pub interval: GoDuration,
    /// Longest time opening a connection may take; 10 s if 0.
    #[serde(skip_serializing_if = "GoDuration::is_zero")]
    pub timeout: GoDuration,
    /// Longest time between two heartbeats.
    #[serde(rename = "TTL", skip_serializing_if = "GoDuration::is_zero")]
    pub ttl: GoDuration,
    /// How long the check may be critical before the service is forgotten; never if 0.
    pub deregister_critical_service_after: GoDuration,
    /// State to begin with; critical if empty.
    pub status: String,
    /// The kind of a check that is neither TTL nor TCP.
    #[serde(flatten, skip_serializing, deserialize_with = "unsupported")]
    pub unsupported: Option<String>,
}

/// Finds the kind of a check that is neither TTL nor TCP among the other fields.
fn unsupported<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    const KINDS: [&str; 8] = ["HTTP", "GRPC", "UDP", "H2PING", "Args", "Shell", "AliasService", "AliasNode"];
    let rest = BTreeMap::<String, IgnoredAny>::deserialize(d)?;
    Ok(KINDS.into_iter().find(|kind| rest.contains_key(*kind)).map(str::to_owned))
}

/// State of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckStatus {
    /// Well.
    Passing,
    /// Not quite.
    Warning,
    /// Not well.
    Critical,
}

impl CheckStatus {
    /// Reads `passing`, `warning` or `critical`.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Passing, Self::Warning, Self::Critical].into_iter().find(|status| status.as_str() == text)
    }

    /// The state as Consul writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passing => "passing",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Body of `PUT /v1/agent/check/update/<id>`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CheckUpdate {
    /// `passing`, `warning` or `critical`.
    pub status: String,
    /// What a person reads beside it.
    pub output: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_as_it_is_written() {
        for status in [CheckStatus::Passing, CheckStatus::Warning, CheckStatus::Critical] {
            assert_eq!(CheckStatus::parse(status.as_str()), Some(status));
            assert_eq!(serde_json::to_value(status).expect("writable"), status.as_str());
        }
        assert_eq!(CheckStatus::parse("odd"), None);
    }
}
