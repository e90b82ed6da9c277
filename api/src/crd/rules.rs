//! What values must look like: patterns with words for them, and rules in the Common Expression Language (CEL).

use serde_json::{Value, json};

/// A regular expression, and what a text that matches it is called.
pub(crate) type Pattern = (&'static str, &'static str);

/// A network address with a port.
pub(crate) const HOST_PORT: Pattern = (r"^[^\s:/,]+:[0-9]{1,5}$", "host:port, such as db.example.com:3306");
/// Network addresses with ports.
pub(crate) const HOST_PORTS: Pattern = (
    r"^[^\s:/,]+:[0-9]{1,5}(,[^\s:/,]+:[0-9]{1,5}){0,15}$",
    "host:port, or up to 16 of them with commas between, such as 10.0.0.1:8500,10.0.0.2:8500",
);
/// An address on the web.
pub(crate) const URL: Pattern = (r"^https?://[^\s/]+(/\S*)?$", "a URL, such as http://127.0.0.1:4317");
/// The address of a collector of traces.
pub(crate) const COLLECTOR: Pattern = (
    r"^https?://([-._a-zA-Z0-9]+|\[[:0-9a-fA-F.]+\])(:[0-9]{1,5})?/?$",
    "the URL of a collector for OTLP over gRPC, without a path, such as http://127.0.0.1:4317",
);
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
pub(crate) const DURATION: Pattern = (crate::Duration::PATTERN, "a duration; write a number with a unit, such as 500us, 20ms, 2s or 1m30s");

/// Every pattern in use, so that a text that does not match can be told what it should be.
pub(crate) const PATTERNS: [Pattern; 12] =
    [HOST_PORT, HOST_PORTS, URL, COLLECTOR, CHART_URL, NAME, KEY, REPOSITORY, TAG, DIGEST, QUANTITY, DURATION];

/// CEL rules, as pairs of the rule and what is said where it does not hold.
pub(crate) fn all(rules: &[(&str, &str)]) -> Value {
    rules.iter().map(|(rule, message)| json!({"rule": rule, "message": message})).collect()
}

/// The CEL rule that a duration lies in `from..=to`.
pub(crate) fn span(from: &str, to: &str) -> Value {
    json!([{
        "rule": format!("duration(self) >= duration('{from}') && duration(self) <= duration('{to}')"),
        "messageExpression": format!("self + ' is out of range; allowed is {from} to {to}'"),
        "message": format!("out of range; allowed is {from} to {to}"),
    }])
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
    all(&[
        ("self.mode != 'External' || has(self.address)", "mode: External needs address"),
        ("self.mode == 'External' || !has(self.address)", "address is only used with mode: External; set that, or remove address"),
    ])
}
