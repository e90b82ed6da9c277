//! Durations as people write them in YAML: `500us`, `2s`, `1m 30s`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A span of time, written as numbers with units (ns, us, ms, s, m, h, d): `500us`, `2s`, `1m30s`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Duration(std::time::Duration);

impl Duration {
    /// What a duration in a resource looks like, as a regular expression: what Kubernetes' own rules can read too.
    pub const PATTERN: &'static str = "^([0-9]+(ns|us|ms|s|m|h))+$";

    /// A duration of `n` seconds.
    pub const fn from_secs(n: u64) -> Self {
        Self(std::time::Duration::from_secs(n))
    }

    /// A duration of `n` milliseconds.
    pub const fn from_millis(n: u64) -> Self {
        Self(std::time::Duration::from_millis(n))
    }

    /// The standard library's form.
    pub const fn get(self) -> std::time::Duration {
        self.0
    }
}

impl From<std::time::Duration> for Duration {
    fn from(d: std::time::Duration) -> Self {
        Self(d)
    }
}

impl From<Duration> for std::time::Duration {
    fn from(d: Duration) -> Self {
        d.0
    }
}

/// The text is not a duration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a duration; write a number with a unit, such as 500us, 20ms, 2s or 1m30s")]
pub struct ParseDurationError {
    text: String,
}

impl FromStr for Duration {
    type Err = ParseDurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        humantime::parse_duration(text).map(Self).map_err(|_| ParseDurationError { text: text.chars().take(32).collect() })
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(u128, &str); 6] =
            [(3_600_000_000_000, "h"), (60_000_000_000, "m"), (1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "us"), (1, "ns")];

        // Not humantime's form: Kubernetes writes durations without spaces, and knows no day.
        let mut rest = self.0.as_nanos();
        if rest == 0 {
            return f.write_str("0s");
        }
        for (unit, name) in UNITS {
            if rest >= unit {
                write!(f, "{}{name}", rest / unit)?;
                rest %= unit;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(feature = "crd")]
impl schemars::JsonSchema for Duration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "pattern": Self::PATTERN, "maxLength": 32})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_what_people_write() {
        for (text, nanos, back) in [
            ("500us", 500_000, "500us"),
            ("2s", 2_000_000_000, "2s"),
            ("1m30s", 90_000_000_000, "1m30s"),
            ("1m 30s", 90_000_000_000, "1m30s"),
            ("1000ms", 1_000_000_000, "1s"),
            ("1d", 86_400_000_000_000, "24h"),
            ("0s", 0, "0s"),
        ] {
            let d: Duration = text.parse().expect(text);
            assert_eq!(d.get().as_nanos(), nanos, "{text}");
            assert_eq!(d.to_string(), back, "{text}");
        }
    }

    #[test]
    fn says_what_to_write_instead() {
        let error = "fast".parse::<Duration>().expect_err("not a duration");
        assert_eq!(error.to_string(), "\"fast\" is not a duration; write a number with a unit, such as 500us, 20ms, 2s or 1m30s");
        assert!("5".parse::<Duration>().is_err());
        assert!("-1s".parse::<Duration>().is_err());
    }
}
