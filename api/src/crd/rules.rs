//! What values must look like: patterns with words for them, and rules in the Common Expression Language (CEL).

use serde_json::{Value, json};

use crate::{Duration, address, limits};

/// A regular expression, and what a text that matches it is called.
pub(crate) type Pattern = (&'static str, &'static str);

/// A network address with a port.
const HOST_PORT: Pattern = (limits::HOST_PORT.pattern, limits::HOST_PORT.words);
/// Network addresses with ports.
const HOST_PORTS: Pattern =
    (address::HOST_PORTS, "host:port, or up to 16 of them with commas between, such as 10.0.0.1:8500,10.0.0.2:8500");
/// An address on the web.
const URL: Pattern = (limits::URL.pattern, limits::URL.words);
/// The address of a collector of traces.
const COLLECTOR: Pattern = (limits::COLLECTOR.pattern, limits::COLLECTOR.words);
/// The address of a chart repository or chart.
pub(crate) const CHART_URL: Pattern =
    (r"^(https?|oci)://\S+$", "a URL, such as https://example.com/charts or oci://example.com/charts/consul");
/// The name of an object in Kubernetes.
pub(crate) const NAME: Pattern =
    (r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "an object's name: lower-case letters, digits, '-' and '.', with a letter or digit at both ends");
/// A key of a `Secret` or `ConfigMap`.
pub(crate) const KEY: Pattern = (r"^[-._a-zA-Z0-9]+$", "a key: letters, digits, '-', '_' and '.'");
/// The repository part of an image reference.
pub(crate) const REPOSITORY: Pattern =
    (r"^[a-z0-9]+([._/:-]+[a-z0-9]+)*$", "an image repository, such as user-info or registry.example.com/team/user-info");
/// A tag of an image.
pub(crate) const TAG: Pattern = (r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", "an image tag, such as 0.1.0");
/// A digest of an image.
pub(crate) const DIGEST: Pattern = (r"^sha256:[a-f0-9]{64}$", "a digest: sha256: and 64 hexadecimal digits");
/// An amount of storage.
pub(crate) const QUANTITY: Pattern = (r"^[0-9]+(\.[0-9]+)?([KMGTPE]i?|k|m)?$", "a quantity, such as 1Gi");
/// A span of time.
pub(crate) const DURATION: Pattern = (Duration::PATTERN, "a duration; write a number with a unit, such as 500us, 20ms, 2s or 1m30s");

/// Every pattern in use, so that a text that does not match can be told what it should be.
pub(crate) const PATTERNS: [Pattern; 12] =
    [HOST_PORT, HOST_PORTS, URL, COLLECTOR, CHART_URL, NAME, KEY, REPOSITORY, TAG, DIGEST, QUANTITY, DURATION];

/// CEL rules, as pairs of the rule and what is said where it does not hold.
pub(crate) fn all(rules: &[(&str, &str)]) -> Value {
    rules.iter().map(|(rule, message)| json!({"rule": rule, "message": message})).collect()
}

/// The CEL rules of an addon.
pub(crate) fn external() -> Value {
    all(&[
        ("self.mode != 'External' || has(self.external)", "mode: External needs external.address"),
        ("self.mode == 'External' || !has(self.external)", "external is only used with mode: External; set that, or remove external"),
    ])
}

/// The CEL rules of a store.
pub(crate) fn store() -> Value {
    all(&STORE)
}

/// The CEL rules of MySQL. Those of its TLS stand here as far as they are about its Secrets.
pub(crate) fn mysql() -> Value {
    all(&[&STORE[..], &MYSQL].concat())
}

const STORE: [(&str, &str); 2] = [
    ("self.mode != 'External' || has(self.address)", "mode: External needs address"),
    ("self.mode == 'External' || !has(self.address)", "address is only used with mode: External; set that, or remove address"),
];

const MYSQL: [(&str, &str); 4] = [
    ("self.mode == 'External' || !has(self.tls)", "tls is only used with mode: External; set that, or remove tls"),
    (
        "has(self.caSecretRef) || !has(self.tls) || !has(self.tls.mode) || self.tls.mode != 'VerifyCa'",
        "tls.mode: VerifyCa needs caSecretRef: without it any public certificate would do",
    ),
    (
        "!has(self.caSecretRef) || !has(self.tls) || !has(self.tls.mode) || self.tls.mode in ['VerifyCa', 'VerifyIdentity']",
        "caSecretRef is checked with tls.mode: VerifyCa and VerifyIdentity only; set one of them, or remove caSecretRef",
    ),
    (
        "!has(self.tls) || !has(self.tls.mode) || self.tls.mode != 'Disabled' || !(has(self.tls.secretName) || has(self.tls.serverName))",
        "tls.mode: Disabled uses neither tls.secretName nor tls.serverName; set another mode, or remove them",
    ),
];
