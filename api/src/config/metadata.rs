//! Metadata that an instance is registered with, by Consul's rules: what it would refuse is refused here, since it would be refused for ever.

use std::collections::BTreeMap;

use super::Violations;
use crate::limits;

/// Keys that the service writes by itself, and what sets them.
pub const OWN: [(&str, &str); 2] =
    [("weight", "service.weight"), ("http_port", "the port of server.admin.listen, or else of server.http.listen")];
/// What keys of Consul's own begin with.
const RESERVED: &str = "consul-";
/// Characters of a key that are repeated.
const MOST_CHARACTERS: usize = 64;

/// Reports what of `metadata` Consul would refuse, or the service overwrite.
pub(super) fn check(metadata: &BTreeMap<String, String>, v: &mut Violations) {
    let pairs = limits::METADATA.refusal_of(metadata.len(), "pairs");
    v.require(pairs.is_none(), "metadata", pairs.unwrap_or_default());
    for (key, value) in metadata {
        let wrong = wrong(key, value);
        let shown: String = key.chars().take(MOST_CHARACTERS).collect();
        v.require(wrong.is_none(), "metadata", format_args!("{shown:?} {}", wrong.unwrap_or_default()));
    }
}

/// What is wrong with a pair.
fn wrong(key: &str, value: &str) -> Option<String> {
    let odd = |b: u8| !b.is_ascii_alphanumeric() && b != b'_' && b != b'-';
    if let Some((_, setting)) = OWN.iter().find(|(own, _)| *own == key) {
        Some(format!("is written by the service itself, from {setting}; set that, and leave it out here"))
    } else if key.bytes().any(odd) {
        Some("is no key that Consul takes; it may have letters, digits, '_' and '-'".to_owned())
    } else if key.starts_with(RESERVED) {
        Some(format!("begins with {RESERVED}, which Consul keeps for itself; choose another key"))
    } else {
        let key = limits::METADATA_KEY.refusal_of(key.len(), "characters");
        key.or_else(|| limits::METADATA_VALUE.refusal_of(value.len(), "bytes").map(|said| format!("has a value that {said}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Check, Service};

    fn said(pairs: &[(&str, &str)]) -> Vec<String> {
        let metadata = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let service = Service { metadata, ..Service::named("a") };
        service.violations().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn s2_what_consul_refuses_is_refused_with_the_key_and_the_rule() {
        let (long_key, long_value) = ("k".repeat(129), "v".repeat(513));
        let cases = [
            ("app.version", "v1", "\"app.version\" is no key that Consul takes; it may have letters, digits, '_' and '-'".to_owned()),
            ("größe", "1", "\"größe\" is no key that Consul takes; it may have letters, digits, '_' and '-'".to_owned()),
            ("a b", "1", "\"a b\" is no key that Consul takes; it may have letters, digits, '_' and '-'".to_owned()),
            ("", "1", "\"\" has 0 characters; allowed is 1 to 128".to_owned()),
            ("consul-x", "1", "\"consul-x\" begins with consul-, which Consul keeps for itself; choose another key".to_owned()),
            (&long_key, "1", format!("\"{}\" has 129 characters; allowed is 1 to 128", "k".repeat(64))),
            ("note", &long_value, "\"note\" has a value that has 513 bytes; allowed is 0 to 512".to_owned()),
        ];
        for (key, value, expected) in cases {
            assert_eq!(said(&[(key, value)]), [format!("metadata: {expected}")]);
        }
        assert!(said(&[(&long_key[1..], &long_value[1..]), ("Consul-x", "é"), ("team_1-a", "")]).is_empty());
    }

    #[test]
    fn s2_as_many_pairs_as_consul_takes_with_our_own() {
        let keys: Vec<_> = (0..63).map(|n| format!("k{n}")).collect();
        let pairs: Vec<_> = keys.iter().map(|key| (key.as_str(), "")).collect();
        assert!(said(&pairs[..62]).is_empty());
        assert_eq!(said(&pairs), ["metadata: has 63 pairs; allowed is 0 to 62"]);
        assert_eq!(limits::METADATA.max + OWN.len(), 64);
    }

    #[test]
    fn s3_a_key_of_the_service_itself_is_refused_with_the_setting() {
        let rest = "; set that, and leave it out here";
        assert_eq!(
            said(&[("weight", "10"), ("http_port", "1"), ("version", "v1")]),
            [
                format!("metadata: \"http_port\" is written by the service itself, from {}{rest}", OWN[1].1),
                format!("metadata: \"weight\" is written by the service itself, from service.weight{rest}"),
            ],
        );
    }

    #[test]
    fn c5_names_have_no_spaces() {
        let service = Service { id: Some("i 1".to_owned()), version: "v1 ".to_owned(), ..Service::named("bbs.user.info ") };
        let said: Vec<_> = service.violations().iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            [
                "name: \"bbs.user.info \" is not a name without spaces, such as bbs.user.info",
                "id: \"i 1\" is not an id without spaces, such as user-info-1",
                "version: \"v1 \" is not a version without spaces, such as v1.2.0",
            ],
        );
    }
}
