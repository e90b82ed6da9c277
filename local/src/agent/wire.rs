//! What clients send to register, field for field as Consul takes it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

/// Body of `PUT /v1/agent/service/register`. Fields that Consul knows and this agent has no use for are passed over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Registration {
    /// Identity; the name if empty.
    #[serde(rename = "ID")]
    pub id: String,
    /// Name of the service.
    pub name: String,
    /// Tags.
    #[serde(deserialize_with = "null_is_empty")]
    pub tags: Vec<String>,
    /// Host; empty means the agent's.
    pub address: String,
    /// Port.
    pub port: u16,
    /// Endpoints by name.
    #[serde(deserialize_with = "null_is_empty")]
    pub tagged_addresses: BTreeMap<String, TaggedAddress>,
    /// Metadata.
    #[serde(deserialize_with = "null_is_empty")]
    pub meta: BTreeMap<String, String>,
    /// Weights for DNS; told back as they are.
    pub weights: Option<Weights>,
    /// Told back as it is.
    pub enable_tag_override: bool,
    /// One check.
    pub check: Option<CheckDefinition>,
    /// More checks.
    #[serde(deserialize_with = "null_is_empty")]
    pub checks: Vec<CheckDefinition>,
}

/// An address with a port.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TaggedAddress {
    /// Host, or whatever the service puts there: Kratos puts a URL.
    pub address: String,
    /// Port.
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

/// A check to run: TTL or TCP.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CheckDefinition {
    /// Identity; numbered if empty.
    #[serde(rename = "CheckID")]
    pub check_id: String,
    /// Name; made from the service's if empty.
    pub name: String,
    /// What a person wrote beside it.
    pub notes: String,
    /// State to begin with; critical if empty.
    pub status: String,
    /// Longest time between two heartbeats.
    #[serde(rename = "TTL")]
    pub ttl: GoDuration,
    /// Address to open a connection to.
    #[serde(rename = "TCP")]
    pub tcp: String,
    /// Time between connections.
    pub interval: GoDuration,
    /// Longest time opening one may take; 10 s if 0.
    pub timeout: GoDuration,
    /// How long it may be critical before the service is removed; never if 0.
    pub deregister_critical_service_after: GoDuration,
    /// Kinds of check that this agent does not run.
    #[serde(flatten, deserialize_with = "unsupported")]
    pub unsupported: Option<String>,
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
        match text {
            "passing" => Some(Self::Passing),
            "warning" => Some(Self::Warning),
            "critical" => Some(Self::Critical),
            _ => None,
        }
    }
}

/// Body of `PUT /v1/agent/check/update/<id>`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct CheckUpdate {
    pub(super) status: String,
    pub(super) output: String,
}

/// A duration as Go writes it, such as `1m30s` or `500ms`, or a number of nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GoDuration(pub Duration);

impl GoDuration {
    /// Reads what Go's `time.ParseDuration` does, but for signs: numbers with units, or `0`.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "0" {
            return Some(Self::default());
        }
        let mut rest = text;
        let mut seconds = 0.0;
        while !rest.is_empty() {
            let unit = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let end = rest[unit..].find(|c: char| c.is_ascii_digit() || c == '.').map_or(rest.len(), |n| unit + n);
            let scale = match &rest[unit..end] {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
            seconds += rest[..unit].parse::<f64>().ok()? * scale;
            rest = &rest[end..];
        }
        if text.is_empty() { None } else { Duration::try_from_secs_f64(seconds).ok().map(Self) }
    }
}

impl<'de> Deserialize<'de> for GoDuration {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Nanoseconds(u64),
            Text(String),
        }
        match Form::deserialize(d)? {
            Form::Nanoseconds(n) => Ok(Self(Duration::from_nanos(n))),
            Form::Text(text) if text.is_empty() => Ok(Self::default()),
            Form::Text(text) => Self::parse(&text).ok_or_else(|| serde::de::Error::custom(format_args!("time: invalid duration {text:?}"))),
        }
    }
}

/// Go writes an empty list or map as `null`.
fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Option::deserialize(d).map(Option::unwrap_or_default)
}

/// Finds the kind of a check that is neither TTL nor TCP among the other fields.
fn unsupported<'de, D: Deserializer<'de>>(d: D) -> Result<Option<String>, D::Error> {
    const KINDS: [&str; 8] = ["HTTP", "GRPC", "UDP", "H2PING", "Args", "Shell", "AliasService", "AliasNode"];
    let rest = BTreeMap::<String, serde::de::IgnoredAny>::deserialize(d)?;
    Ok(KINDS.into_iter().find(|kind| rest.contains_key(*kind)).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_durations_as_go_does() {
        for (text, millis) in [("10s", 10_000), ("500ms", 500), ("1m30s", 90_000), ("1.5h", 5_400_000), ("0", 0), ("600s", 600_000)] {
            assert_eq!(GoDuration::parse(text), Some(GoDuration(Duration::from_millis(millis))), "{text}");
        }
        for text in ["", "5", "x", "5d", "s", "1.2.3s", "-1s", "1e400s", "99999999999999999999h"] {
            assert_eq!(GoDuration::parse(text), None, "{text}");
        }
    }

    #[test]
    fn reads_what_go_clients_send() {
        let body = r#"{"ID":"h1","Name":"s","Tags":null,"Meta":null,"Weights":null,"Check":null,"Checks":[{"TCP":"a:1","Interval":"10s"},
            {"TTL":"20s","CheckID":"service:h1","Timeout":""},{"GRPC":"a:1"}],"Proxy":{"Mode":""}}"#;
        let read: Registration = serde_json::from_str(body).expect("readable");
        assert_eq!(read.checks[0].interval.0, Duration::from_secs(10));
        assert_eq!(read.checks[1].check_id, "service:h1");
        assert_eq!(read.checks.iter().map(|c| c.unsupported.as_deref()).collect::<Vec<_>>(), [None, None, Some("GRPC")]);
    }
}
