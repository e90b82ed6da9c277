//! The store of the page views.

use serde_json::{Value, json};
use user_info_api::crd::{StoreMode, UserInfoDeploymentSpec};
use user_info_api::render::ManagedStore;

use super::profile::{Inputs, Profile};
use super::{Addon, store};
use crate::needed_secret::{NeededSecret, need, pair};

pub(super) const PROFILE: Profile = Profile {
    name: "redis",
    field: "spec.data.redis",
    port: 6379,
    http: false,
    serves_calls: true,
    mode: |spec| store::mode(spec.data.redis.mode),
    release: |spec| &spec.data.redis.release,
    external: |spec| spec.data.redis.address.as_deref().or_else(|| spec.data.redis.addresses.first().map(String::as_str)),
    values,
};

fn values(inputs: &Inputs<'_>) -> Value {
    json!({"auth": store::auth(inputs.resource.spec.data.redis.secret_ref.as_ref())})
}

/// How the services reach the release with these values.
pub(super) fn managed(owner: &str, spec: &UserInfoDeploymentSpec, values: &Value) -> ManagedStore {
    store::managed(Addon::Redis, owner, values, spec.data.redis.secret_ref.as_ref())
}

/// What pods read of Secrets to reach it.
pub(super) fn secrets(spec: &UserInfoDeploymentSpec, managed: Option<&ManagedStore>) -> impl Iterator<Item = NeededSecret> {
    let external = Some(&spec.data.redis).filter(|redis| redis.mode == StoreMode::External);
    let tls = external.and_then(|redis| redis.tls.as_ref());
    let sentinel = external.and_then(|redis| redis.sentinel.as_ref());
    let one = [
        need(managed.and_then(|store| store.password.as_ref()), "password", PROFILE.field),
        need(external.and_then(|redis| redis.secret_ref.as_ref()), "password", "spec.data.redis.secretRef"),
        need(sentinel.and_then(|sentinel| sentinel.secret_ref.as_ref()), "password", "spec.data.redis.sentinel.secretRef"),
        need(tls.and_then(|tls| tls.ca_secret_ref.as_ref()), "ca.crt", "spec.data.redis.tls.caSecretRef"),
    ];
    let pair = pair(tls.and_then(|tls| tls.secret_name.as_deref()), "spec.data.redis.tls.secretName");
    one.into_iter().chain(pair).flatten()
}
