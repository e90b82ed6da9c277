//! The registry.

use serde_json::{Value, json};
use user_info_api::crd::{AddonMode, SecretRef, UserInfoDeploymentSpec};
use user_info_api::render::ManagedConsul;

use super::Addon;
use super::profile::Profile;
use crate::needed_secret::{NeededSecret, need};

/// Servers that are named at the most.
const MOST: u64 = 16;

pub(super) const PROFILE: Profile = Profile {
    name: "consul",
    field: "spec.addons.consul",
    port: 8500,
    http: true,
    serves_calls: true,
    mode: |spec| spec.addons.consul.mode,
    release: |spec| &spec.addons.consul.release,
    external: |spec| spec.addons.consul.external.as_ref().map(|external| external.address.as_str()),
    values: |_| json!({}),
};

/// How the services reach the release with these values.
pub(super) fn managed(owner: &str, values: &Value) -> ManagedConsul {
    ManagedConsul { addresses: servers(owner, values), token: token(values) }
}

/// Addresses of the servers, at most [`MOST`]: a service registers with one of them and goes to another when that fails. One alone is reached by
/// its Service, whose address outlives the pod.
fn servers(owner: &str, values: &Value) -> Vec<String> {
    let (release, port) = (Addon::Consul.release(owner), Addon::Consul.port(values));
    match values["replicas"].as_u64().unwrap_or(1) {
        0 | 1 => vec![format!("{release}:{port}")],
        count => (0..count.min(MOST)).map(|n| format!("{release}-{n}.{release}-peers:{port}")).collect(),
    }
}

/// `host:port` of the Service whose addresses are all servers.
pub(super) fn peers(owner: &str, values: &Value) -> String {
    format!("{}-peers:{}", Addon::Consul.release(owner), Addon::Consul.port(values))
}

/// The token that a Consul with these values asks for.
pub(super) fn token(values: &Value) -> Option<SecretRef> {
    let acl = &values["acl"];
    let name = acl["existingSecret"].as_str().filter(|name| !name.is_empty())?;
    let key = acl["key"].as_str().map(str::to_owned);
    (acl["enabled"] == true).then(|| SecretRef { name: name.to_owned(), key })
}

/// What pods read of Secrets to reach it.
pub(super) fn secrets(spec: &UserInfoDeploymentSpec, managed: Option<&ManagedConsul>) -> [Option<NeededSecret>; 2] {
    let external = spec.addons.consul.external.as_ref().filter(|_| spec.addons.consul.mode == AddonMode::External);
    [
        need(external.and_then(|external| external.secret_ref.as_ref()), "token", "spec.addons.consul.external.secretRef"),
        need(managed.and_then(|consul| consul.token.as_ref()), "token", "spec.addons.consul.values.acl"),
    ]
}
