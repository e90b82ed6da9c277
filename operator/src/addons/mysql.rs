//! The store of the users.

use serde_json::{Value, json};
use user_info_api::crd::{StoreMode, UserInfoDeploymentSpec};
use user_info_api::render::ManagedStore;

use super::profile::{Inputs, Profile};
use super::{Addon, store};
use crate::needed_secret::{NeededSecret, need, pair};

pub(super) const PROFILE: Profile = Profile {
    name: "mysql",
    field: "spec.data.mysql",
    port: 3306,
    http: false,
    serves_calls: true,
    mode: |spec| store::mode(spec.data.mysql.mode),
    release: |spec| &spec.data.mysql.release,
    external: |spec| spec.data.mysql.address.as_deref(),
    values,
};

fn values(inputs: &Inputs<'_>) -> Value {
    let mysql = &inputs.resource.spec.data.mysql;
    json!({"database": mysql.database, "username": mysql.username, "auth": store::auth(mysql.secret_ref.as_ref())})
}

/// How the services reach the release with these values.
pub(super) fn managed(owner: &str, spec: &UserInfoDeploymentSpec, values: &Value) -> ManagedStore {
    store::managed(Addon::MySql, owner, values, spec.data.mysql.secret_ref.as_ref())
}

/// What pods read of Secrets to reach it.
pub(super) fn secrets(spec: &UserInfoDeploymentSpec, managed: Option<&ManagedStore>) -> [Option<NeededSecret>; 5] {
    let external = Some(&spec.data.mysql).filter(|mysql| mysql.mode == StoreMode::External);
    let own = external.and_then(|mysql| mysql.tls.as_ref()?.secret_name.as_deref());
    let [certificate, key] = pair(own, "spec.data.mysql.tls.secretName");
    [
        certificate,
        key,
        need(managed.and_then(|store| store.password.as_ref()), "password", PROFILE.field),
        need(external.and_then(|mysql| mysql.secret_ref.as_ref()), "password", "spec.data.mysql.secretRef"),
        need(external.and_then(|mysql| mysql.ca_secret_ref.as_ref()), "ca.crt", "spec.data.mysql.caSecretRef"),
    ]
}

/// Whether the release with these values keeps its data on a volume.
pub(super) fn persistent(values: &Value) -> bool {
    values["persistence"]["enabled"] == true
}
