//! What the stores have in common: a mode of their own, a password, an address.

use serde_json::{Value, json};
use user_info_api::crd::{AddonMode, SecretRef, StoreMode};
use user_info_api::render::ManagedStore;

use super::Addon;

/// Whose a store is; an embedded one is no addon.
pub(super) const fn mode(mode: StoreMode) -> AddonMode {
    match mode {
        StoreMode::Managed => AddonMode::Managed,
        StoreMode::External => AddonMode::External,
        StoreMode::Embedded => AddonMode::Disabled,
    }
}

/// Whose password the chart takes; its own if the resource names none.
pub(super) fn auth(secret: Option<&SecretRef>) -> Value {
    secret.map_or_else(|| json!({}), |secret| json!({"existingSecret": secret.name, "key": secret.key.as_deref().unwrap_or("password")}))
}

/// How the services reach the release with these values: the password is that of a Secret which values or the resource (`secret`) name, else that
/// of the release's own.
pub(super) fn managed(addon: Addon, owner: &str, values: &Value, secret: Option<&SecretRef>) -> ManagedStore {
    let own = SecretRef { name: addon.release(owner), key: None };
    let existing = values["auth"]["existingSecret"]
        .as_str()
        .filter(|name| !name.is_empty())
        .map(|name| SecretRef { name: name.to_owned(), key: values["auth"]["key"].as_str().map(str::to_owned) });
    let password = (values["auth"]["enabled"] != false).then(|| existing.or_else(|| secret.cloned()).unwrap_or(own));
    ManagedStore { address: addon.address(owner, values), password }
}
