//! The files of a component's pods: its config, its Secrets, and room for an embedded store.

use std::collections::{BTreeMap, BTreeSet};
use std::iter;

use k8s_openapi::api::core::v1::{ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath, SecretVolumeSource, Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{Plan, secrets};
use crate::names::Component;

/// Where the config file is. The whole directory is mounted: a file alone would not follow changes.
pub(super) const CONFIG: &str = "/etc/user-info/config";
/// Where secrets are, as the config file says.
const SECRETS: &str = "/etc/user-info/secrets";
/// Where SQLite's file is, as the config file says.
const DATA: &str = "/var/lib/user-info";

/// The Secrets that pods read, each with the keys that they read of it.
fn secret_keys(plan: &Plan, component: Component) -> BTreeMap<String, BTreeSet<String>> {
    let mut keys: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for secret in secrets::needed(&plan.resource.spec, component, &plan.managed) {
        keys.entry(secret.name).or_default().insert(secret.key);
    }
    keys
}

/// The volumes of a component's pods. No key is mounted that is not read: callers of a service with TLS have its authority, not its key. Names
/// of volumes are made from positions: a Secret's name may be longer than a volume's.
pub(super) fn volumes(plan: &Plan, component: Component) -> Vec<Volume> {
    let config = Volume {
        name: "config".to_owned(),
        config_map: Some(ConfigMapVolumeSource { name: plan.owner.object(component), ..ConfigMapVolumeSource::default() }),
        ..Volume::default()
    };
    let data = Volume {
        name: "data".to_owned(),
        empty_dir: Some(EmptyDirVolumeSource { size_limit: Some(Quantity("256Mi".to_owned())), ..EmptyDirVolumeSource::default() }),
        ..Volume::default()
    };
    let item = |key: String| KeyToPath { path: key.clone(), key, mode: None };
    let secrets = secret_keys(plan, component).into_iter().enumerate().map(|(i, (name, keys))| Volume {
        name: format!("secret-{i}"),
        secret: Some(SecretVolumeSource {
            secret_name: Some(name),
            default_mode: Some(0o440),
            items: Some(keys.into_iter().map(item).collect()),
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    });
    iter::once(config).chain((component == Component::Server).then_some(data)).chain(secrets).collect()
}

/// Where its containers find them.
pub(super) fn mounts(plan: &Plan, component: Component) -> Vec<VolumeMount> {
    let mount = |name: &str, path: &str, read_only: bool| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    };
    let secrets = secret_keys(plan, component).into_keys().enumerate();
    iter::once(mount("config", CONFIG, true))
        .chain((component == Component::Server).then(|| mount("data", DATA, false)))
        .chain(secrets.map(|(i, name)| mount(&format!("secret-{i}"), &format!("{SECRETS}/{name}"), true)))
        .collect()
}
