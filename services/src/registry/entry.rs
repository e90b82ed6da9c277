//! Entries of a registry's answer, each read on its own.
//!
//! Consul's catalog takes entries that nobody can call, such as one with port 70000. Such an entry is left out and named once; it does not
//! hide the others.

use std::collections::BTreeSet;

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use user_info_consul::HealthEntry;

/// Characters of a text from the registry that are repeated.
const MOST_CHARACTERS: usize = 200;
/// Invalid entries of one answer that are named in the log; the others are counted.
const MOST_NAMED: usize = 10;

/// One element of the answer to `GET /v1/health/service/<name>`, or what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry(pub Result<HealthEntry, InvalidEntry>);

/// An entry that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InvalidEntry {
    /// Name of the machine it is registered on; may be empty.
    pub node: String,
    /// Identity of the instance; may be empty.
    pub id: String,
    /// The field, and what is wrong with it.
    pub why: String,
}

impl InvalidEntry {
    pub(super) fn new(node: &str, id: &str, why: &str) -> Self {
        let [node, id, why] = [node, id, why].map(|text| text.chars().take(MOST_CHARACTERS).collect());
        Self { node, id, why }
    }
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(d)?;
        let text = |part: &str, field: &str| value[part][field].as_str().unwrap_or_default().to_owned();
        let read = serde_path_to_error::deserialize(&value);
        Ok(Self(read.map_err(|error| InvalidEntry::new(&text("Node", "Node"), &text("Service", "ID"), &error.to_string()))))
    }
}

/// Says once of each entry that is left out why it is, and again after it has changed or was gone.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    known: BTreeSet<InvalidEntry>,
    others: BTreeSet<InvalidEntry>,
}

impl LeftOut {
    /// Takes in the invalid entries of an answer about `service`.
    pub(super) fn report(&mut self, service: &str, entries: Vec<InvalidEntry>) {
        let before = std::mem::replace(&mut self.known, entries.into_iter().collect());
        let news: Vec<_> = self.known.difference(&before).collect();
        for InvalidEntry { node, id, why } in news.iter().take(MOST_NAMED) {
            tracing::warn!(service, node, id, why, "invalid entry in the registry left out");
        }
        if let Some(more @ 1..) = news.len().checked_sub(MOST_NAMED) {
            tracing::warn!(service, more, "more invalid entries in the registry left out");
        }
        if self.known.is_empty() && !before.is_empty() {
            tracing::info!(service, "no invalid entries in the registry any more");
        }
    }

    /// Takes in the entries of an answer about `service` that are valid, and for callers of another kind.
    pub(super) fn note(&mut self, service: &str, entries: Vec<InvalidEntry>) {
        let before = std::mem::replace(&mut self.others, entries.into_iter().collect());
        for InvalidEntry { node, id, why } in self.others.difference(&before).take(MOST_NAMED) {
            tracing::info!(service, node, id, why, "entry of the registry passed over");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn why(entry: &Value) -> Option<String> {
        let Entry(read) = serde_json::from_value(entry.clone()).expect("any value is an entry, or an invalid one");
        read.err().map(|invalid| format!("{}/{}: {}", invalid.node, invalid.id, invalid.why))
    }

    #[test]
    fn says_of_an_invalid_entry_which_it_is_and_what_is_wrong() {
        let entry = |field: &str, value: Value| json!({"Node": {"Node": "m1"}, "Service": {"ID": "h1", field: value}});
        assert_eq!(why(&entry("Port", json!(65535))), None);
        for (field, value, expected) in [
            ("Port", json!(70000), "m1/h1: Service.Port: 70000 is not a port: 0 to 65535"),
            ("Port", json!(-1), "m1/h1: Service.Port: -1 is not a port: 0 to 65535"),
            (
                "TaggedAddresses",
                json!({"grpc": {"Address": "grpc://a:1", "Port": 70000}}),
                "m1/h1: Service.TaggedAddresses.grpc.Port: 70000 is not a port: 0 to 65535",
            ),
            ("Meta", json!({"weight": 1}), "m1/h1: Service.Meta.weight: invalid type: integer `1`, expected a string"),
        ] {
            assert_eq!(why(&entry(field, value)).as_deref(), Some(expected));
        }
        assert!(why(&json!("odd")).is_some_and(|why| why.starts_with("/: ")));
    }

    #[test]
    fn a_long_text_from_the_registry_is_cut() {
        let long = "x".repeat(1 << 20);
        let invalid = InvalidEntry::new(&long, &long, &long);
        assert_eq!([invalid.node, invalid.id, invalid.why].map(|text| text.len()), [MOST_CHARACTERS; 3]);
    }
}
