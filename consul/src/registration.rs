//! What an instance sends to be registered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::check::CheckDefinition;
use crate::read::{null_is_empty, port};

/// Body of `PUT /v1/agent/service/register`. Fields that Consul knows and nobody here has a use for are passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Registration {
    /// Identity of the instance, unique on its agent; the name if empty.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name of the service.
    pub name: String,
    /// Tags; Kratos keeps the version in one of them.
    #[serde(deserialize_with = "null_is_empty")]
    pub tags: Vec<String>,
    /// Endpoints by URL scheme.
    #[serde(deserialize_with = "null_is_empty")]
    pub tagged_addresses: BTreeMap<String, TaggedAddress>,
    /// Host of the first endpoint; empty means the agent's.
    pub address: String,
    /// Port of the first endpoint.
    #[serde(deserialize_with = "port")]
    pub port: u16,
    /// Metadata of the instance.
    #[serde(deserialize_with = "null_is_empty")]
    pub meta: BTreeMap<String, String>,
    /// Weights for DNS; told back as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<Weights>,
    /// Told back as it is.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub enable_tag_override: bool,
    /// One check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<CheckDefinition>,
    /// How the agent finds out whether the instance is well.
    #[serde(deserialize_with = "null_is_empty")]
    pub checks: Vec<CheckDefinition>,
}

/// One endpoint of a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TaggedAddress {
    /// In Kratos the whole URL, such as `grpc://10.0.0.7:9001`.
    pub address: String,
    /// Its port.
    #[serde(deserialize_with = "port")]
    pub port: u16,
}

/// Weights of a service for DNS answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Weights {
    /// While it passes.
    pub passing: u32,
    /// While it warns.
    pub warning: u32,
}

impl Default for Weights {
    fn default() -> Self {
        Self { passing: 1, warning: 1 }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::duration::GoDuration;

    #[test]
    fn reads_what_go_clients_send() {
        let body = r#"{"ID":"h1","Name":"s","Tags":null,"Meta":null,"Weights":null,"Check":null,"Checks":[{"TCP":"a:1","Interval":"10s"},
            {"TTL":"20s","CheckID":"service:h1","Timeout":""},{"GRPC":"a:1"}],"Proxy":{"Mode":""}}"#;
        let read: Registration = serde_json::from_str(body).expect("readable");
        assert_eq!(read.checks[0].interval.0, Duration::from_secs(10));
        assert_eq!(read.checks[1].check_id, "service:h1");
        assert_eq!(read.checks.iter().map(|c| c.unsupported.as_deref()).collect::<Vec<_>>(), [None, None, Some("GRPC")]);
    }

    /// Byte for byte what Kratos sends for an instance with a TCP and a TTL check, but for `Status`.
    #[test]
    fn writes_what_kratos_sends() {
        let seconds = |n| GoDuration(Duration::from_secs(n));
        let check =
            CheckDefinition { deregister_critical_service_after: seconds(600), status: "passing".to_owned(), ..CheckDefinition::default() };
        let tcp = CheckDefinition { tcp: "10.0.0.7:9001".to_owned(), interval: seconds(10), timeout: seconds(5), ..check.clone() };
        let ttl = CheckDefinition { check_id: "service:h1".to_owned(), ttl: seconds(20), ..check };
        let endpoint = TaggedAddress { address: "grpc://10.0.0.7:9001".to_owned(), port: 9001 };
        let registration = Registration {
            id: "h1".to_owned(),
            name: "s".to_owned(),
            tags: vec!["version=v1".to_owned()],
            tagged_addresses: BTreeMap::from([("grpc".to_owned(), endpoint)]),
            address: "10.0.0.7".to_owned(),
            port: 9001,
            checks: vec![tcp, ttl],
            ..Registration::default()
        };
        let written = concat!(
            r#"{"ID":"h1","Name":"s","Tags":["version=v1"],"TaggedAddresses":{"grpc":{"Address":"grpc://10.0.0.7:9001","Port":9001}},"#,
            r#""Address":"10.0.0.7","Port":9001,"Meta":{},"#,
            r#""Checks":[{"TCP":"10.0.0.7:9001","Interval":"10s","Timeout":"5s","DeregisterCriticalServiceAfter":"600s","Status":"passing"},"#,
            r#"{"CheckID":"service:h1","TTL":"20s","DeregisterCriticalServiceAfter":"600s","Status":"passing"}]}"#,
        );
        assert_eq!(serde_json::to_string(&registration).expect("writable"), written);
        assert_eq!(serde_json::from_str::<Registration>(written).expect("readable"), registration);
    }
}
