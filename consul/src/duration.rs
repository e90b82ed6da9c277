//! Durations as Go reads and writes them.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A duration such as `1m30s` or `500ms`, or a number of nanoseconds. Written as whole seconds if it is, else as milliseconds.
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

    /// Whether it is 0, which Go does not tell from a field that is left out.
    pub const fn is_zero(&self) -> bool {
        self.0.is_zero()
    }
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.subsec_nanos() == 0 { write!(f, "{}s", self.0.as_secs()) } else { write!(f, "{}ms", self.0.as_millis()) }
    }
}

impl Serialize for GoDuration {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
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
    fn writes_durations_for_go() {
        assert_eq!(GoDuration(Duration::from_secs(86_400)).to_string(), "86400s");
        assert_eq!(GoDuration(Duration::from_millis(1500)).to_string(), "1500ms");
    }
}
