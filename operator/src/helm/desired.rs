//! A release as it is wanted.

use std::time::Duration;

use serde_json::Value;

use super::chart::Chart;
use crate::addons::Addon;
use crate::digest::digest_of;

/// Version of the flags that releases are installed with. Another one upgrades every release.
const FLAGS: &[u8] = b"1";

/// A release as it is wanted.
#[derive(Debug, Clone, PartialEq)]
pub struct Desired {
    /// What it is.
    pub addon: Addon,
    /// Its chart.
    pub chart: Chart,
    /// Its values.
    pub values: Value,
    /// How long installing may take.
    pub timeout: Duration,
    /// Digest of all that, but for the time, which changes nothing in the cluster.
    pub digest: String,
}

impl Desired {
    /// A release of `addon` from `chart` with `values`.
    pub fn new(addon: Addon, chart: Chart, mut values: Value, timeout: Duration) -> Self {
        // A crate elsewhere in the build may have serde_json keep the order of declaration.
        values.sort_all_objects();
        let digest = digest_of([FLAGS, chart.identity().as_bytes(), values.to_string().as_bytes()]);
        Self { addon, chart, values, timeout, digest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_digest_is_that_of_chart_and_values() {
        let chart = |version: &str| Chart::Oci { url: "oci://r/c".to_owned(), version: Some(version.to_owned()), credentials: None };
        let digest = |version: &str, values: Value, seconds: u64| {
            Desired::new(Addon::Redis, chart(version), values, Duration::from_secs(seconds)).digest
        };
        let first = digest("1", json!({"a": 1, "b": {"d": 2, "c": 3}}), 60);
        assert_eq!(first, digest("1", json!({"b": {"c": 3, "d": 2}, "a": 1}), 90));
        assert_ne!(first, digest("2", json!({"a": 1, "b": {"d": 2, "c": 3}}), 60));
        assert_ne!(first, digest("1", json!({"a": 1}), 60));
        assert!(first.len() <= 63, "it has to fit into a label");
    }
}
