//! What pods cannot start without.

use user_info_api::crd::SecretRef;

/// A key of a Secret without which pods cannot start.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NeededSecret {
    /// Name of the Secret.
    pub name: String,
    /// Key in it.
    pub key: String,
    /// The field that names it, such as `spec.data.mysql.secretRef`.
    pub field: &'static str,
}

/// The key that `field` asks for, which is the usual one unless it names another; none if the field is not set.
pub fn need(secret: Option<&SecretRef>, usual_key: &str, field: &'static str) -> Option<NeededSecret> {
    let key = |secret: &SecretRef| secret.key.clone().unwrap_or_else(|| usual_key.to_owned());
    secret.map(|secret| NeededSecret { name: secret.name.clone(), key: key(secret), field })
}

/// A certificate and its key, which `field` asks for; none if the field is not set.
pub fn pair(secret: Option<&str>, field: &'static str) -> [Option<NeededSecret>; 2] {
    ["tls.crt", "tls.key"].map(|key| secret.map(|name| NeededSecret { name: name.to_owned(), key: key.to_owned(), field }))
}
