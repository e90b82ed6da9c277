//! What Helm has written down of a revision: a JSON text, compressed by gzip, in base64.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::Value;

/// The largest text that is read, in bytes. A Secret holds up to 1 MiB; what unfolds to more than this is not Helm's.
const LIMIT: u64 = 32 << 20;

/// What Helm has written down of a revision, as far as it matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Payload {
    /// The chart that it was made from.
    pub chart: UsedChart,
    /// How it went.
    pub info: Info,
    /// The values that were given.
    pub config: Value,
    /// Its objects, as documents of YAML.
    pub manifest: String,
}

/// A chart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct UsedChart {
    /// What it says of itself.
    pub metadata: Metadata,
}

/// What a chart says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// How it went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Info {
    /// In words; why, if it failed.
    pub description: String,
}

/// Why a revision cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// Not base64.
    #[error("not base64: {0}")]
    Base64(#[from] base64::DecodeError),
    /// Not gzip.
    #[error("not gzip: {0}")]
    Gzip(#[from] std::io::Error),
    /// More than any release.
    #[error("larger than {} MiB", LIMIT >> 20)]
    TooLarge,
    /// Not what Helm writes.
    #[error("not a release: {0}")]
    Json(#[from] serde_json::Error),
}

impl Payload {
    /// Whether it made a `Role` or a `RoleBinding`.
    pub fn grants(&self) -> bool {
        self.manifest.lines().any(|line| matches!(line.trim_end(), "kind: Role" | "kind: RoleBinding"))
    }

    /// Reads the value of the key `release` of a revision's Secret.
    ///
    /// # Errors
    /// If Helm did not write it.
    pub fn decode(data: &[u8]) -> Result<Self, PayloadError> {
        let packed = STANDARD.decode(data.trim_ascii())?;
        let mut text = Vec::new();
        // Helm packs everything but very old releases, which it wrote as they are.
        if packed.starts_with(&[0x1f, 0x8b]) {
            GzDecoder::new(packed.as_slice()).take(LIMIT + 1).read_to_end(&mut text)?;
        } else {
            text = packed;
        }
        if text.len() as u64 > LIMIT {
            return Err(PayloadError::TooLarge);
        }
        Ok(serde_json::from_slice(&text)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use proptest::prelude::*;
    use proptest::sample::Index;
    use std::io::Write;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(text).expect("written");
        STANDARD.encode(gzip.finish().expect("packed")).into_bytes()
    }

    #[test]
    fn chart_and_outcome_are_read() {
        let text = br#"{"name": "demo-redis", "info": {"status": "failed", "description": "boom"},
                        "chart": {"metadata": {"name": "redis", "version": "0.1.0", "appVersion": "8"}, "lock": null}, "version": 2}"#;
        let payload = Payload::decode(&packed(text)).expect("a release");
        let Metadata { name, version } = payload.chart.metadata;
        assert_eq!((name.as_str(), version.as_str(), payload.info.description.as_str()), ("redis", "0.1.0", "boom"));
        assert_eq!(Payload::decode(&packed(b"{}")).expect("empty"), Payload::default());
        let grants = |manifest: &str| Payload { manifest: manifest.to_owned(), ..Payload::default() }.grants();
        assert!(grants("---\napiVersion: v1\nkind: ConfigMap\n---\nkind: Role\nmetadata: {}\n"));
        assert!(!grants("kind: ConfigMap\ndata:\n  text: |\n    kind: Role\n"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Payload::decode(&bytes);
            let _ = Payload::decode(STANDARD.encode(&bytes).as_bytes());
            let _ = Payload::decode(&packed(&bytes));
        }

        /// A release with a byte that is another one.
        #[test]
        fn a_damaged_release_is_read_or_refused(at in any::<Index>(), byte in any::<u8>()) {
            let mut data = packed(br#"{"chart": {"metadata": {"name": "redis", "version": "1"}}, "info": {"description": "boom"}}"#);
            let at = at.index(data.len());
            data[at] = byte;
            let _ = Payload::decode(&data);
        }
    }

    #[test]
    fn nothing_hostile_gets_through_or_takes_us_down() {
        let zeros = vec![b' '; usize::try_from(LIMIT).expect("fits") + 2];
        let deep = "[".repeat(100_000);
        for (data, expected) in [
            (b"".to_vec(), "not a release"),
            (b"%%%".to_vec(), "not base64"),
            (STANDARD.encode(b"\x1f\x8bnot gzip").into_bytes(), "not gzip"),
            (STANDARD.encode(&packed(b"{}")[..9]).into_bytes(), "not a release"),
            (packed(b"7"), "not a release"),
            (packed(br#"{"chart": "x"}"#), "not a release"),
            (packed(br#"{"info": {"description": 7}}"#), "not a release"),
            (packed(deep.as_bytes()), "not a release"),
            (packed(b"{\"info\": \xff}"), "not a release"),
            (packed(&zeros), "larger than 32 MiB"),
        ] {
            let error = Payload::decode(&data).expect_err(expected).to_string();
            assert!(error.starts_with(expected), "{error}");
        }
        // Cut off anywhere, it is refused.
        let whole = packed(br#"{"chart": {"metadata": {"name": "redis", "version": "1"}}}"#);
        for length in 0..whole.len() - 4 {
            assert!(Payload::decode(&whole[..length]).is_err(), "{length}");
        }
    }
}
