//! What is in the cluster of that which the operator made, itself or through Helm: a compact index, fed by metadata watches.
//!
//! A child is not kept, only what tells whether it still is as it was applied. The API server keeps a list of the fields that each manager
//! owns. It strikes a field from the operator's list when someone else changes or removes it; changes of other fields, such as a status,
//! leave the list alone. A hash of that list is thus a fingerprint of all the operator cares for, whatever the kind.

mod watch;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use tokio::sync::watch as channel;

pub use self::watch::watch;
use crate::addons::Addon;
use crate::config_file::ConfigVersion;
use crate::digest::digest_of;
use crate::kind::Kind;
use crate::names::{APPLIED_HASH, CONFIG_GENERATION, CONFIG_HASH, HELM, INSTANCE, Owner, RELEASE_NAME, USES};
use crate::ownership::{Holders, is_resource};

/// What is known of one child.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Name of the resource it was made from.
    pub owner: String,
    /// Its uid.
    pub uid: String,
    /// Hash of the object as it was last applied, if the annotation still stands.
    pub applied: Option<String>,
    /// Hash of its maker's own field list, and of the uid; the same in every build.
    pub fingerprint: u64,
    /// Which config file it holds, if it is a `ConfigMap`.
    pub config: Option<ConfigVersion>,
    /// The managed addons that the config file uses.
    pub uses: Vec<String>,
    /// The addon whose release it belongs to, if Helm made it.
    pub addon: Option<Addon>,
    /// Whether it is about to go.
    pub terminating: bool,
    /// Whether its maker still owns fields by having created it, beside those that it owns by having applied it.
    pub unsettled: bool,
    holders: Holders,
    version: u64,
}

impl Seen {
    /// What `meta` says of an object that `maker` made; none if no resource owns it.
    pub fn of(meta: &ObjectMeta, maker: &str) -> Option<Self> {
        let annotation = |key: &str| meta.annotations.as_ref().and_then(|all| all.get(key)).cloned();
        let config = annotation(CONFIG_HASH).zip(annotation(CONFIG_GENERATION).and_then(|text| text.parse().ok()));
        let owner = owner(meta)?;
        let release = annotation(RELEASE_NAME);
        let addon = release.as_deref().and_then(Addon::of_release).filter(|(of, _)| *of == owner).map(|(_, addon)| addon);
        if maker == HELM && addon.is_none() {
            return None;
        }
        Some(Self {
            owner,
            uid: meta.uid.clone().unwrap_or_default(),
            applied: annotation(APPLIED_HASH),
            fingerprint: fingerprint(meta, maker),
            config: config.map(|(hash, generation)| ConfigVersion { hash, generation }),
            uses: annotation(USES).unwrap_or_default().split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            addon,
            terminating: meta.deletion_timestamp.is_some(),
            unsettled: meta.managed_fields.iter().flatten().any(|entry| created_by(maker, entry)),
            holders: Holders::of(meta, maker),
            version: meta.resource_version.as_ref().and_then(|version| version.parse().ok()).unwrap_or_default(),
        })
    }

    /// Whether it is `owner`'s own.
    pub fn belongs_to(&self, owner: &Owner) -> bool {
        self.holders.include(owner)
    }
}

/// Whether `maker` owns the fields of an entry by having created the object.
pub fn created_by(maker: &str, entry: &ManagedFieldsEntry) -> bool {
    entry.manager.as_deref() == Some(maker) && entry.operation.as_deref() == Some("Update") && entry.subresource.is_none()
}

/// The resource that an object may belong to: by owner reference, or by label where that was taken away.
fn owner(meta: &ObjectMeta) -> Option<String> {
    let referred = meta.owner_references.iter().flatten().find(|owner| is_resource(owner)).map(|owner| owner.name.clone());
    referred.or_else(|| meta.labels.as_ref().and_then(|labels| labels.get(INSTANCE)).cloned())
}

fn fingerprint(meta: &ObjectMeta, maker: &str) -> u64 {
    let uid = meta.uid.clone().unwrap_or_default();
    let entries = meta.managed_fields.iter().flatten().filter(|entry| {
        entry.manager.as_deref() == Some(maker) && entry.operation.as_deref() == Some("Apply") && entry.subresource.is_none()
    });
    let fields: Vec<_> = entries.filter_map(|entry| Some(entry.fields_v1.as_ref()?.0.to_string())).collect();
    let digest = digest_of([uid.as_bytes()].into_iter().chain(fields.iter().map(String::as_bytes)));
    u64::from_str_radix(digest.get(..16).unwrap_or_default(), 16).unwrap_or_default()
}

/// A child's place: namespace, kind and name.
type ObjectKey = (String, Kind, String);

/// All children that the watches have shown.
#[derive(Debug)]
pub struct Children {
    maker: &'static str,
    seen: Mutex<HashMap<ObjectKey, Seen>>,
    /// Lists that have not been complete yet.
    lists_due: channel::Sender<usize>,
}

impl Children {
    /// An empty index of what `maker` applies, that is complete when `lists` lists have come in.
    pub fn new(maker: &'static str, lists: usize) -> Self {
        Self { maker, seen: Mutex::default(), lists_due: channel::Sender::new(lists) }
    }

    /// Waits until every watch has listed what there is: before that, children that merely are not known yet would be applied for nothing.
    pub async fn complete(&self) {
        // The sender lives as long as `self`, so that waiting only ends well.
        let _ = self.lists_due.subscribe().wait_for(|due| *due == 0).await;
    }

    /// The children of a resource: those that are its own, see [`Holders`].
    pub fn of(&self, owner: &Owner) -> BTreeMap<(Kind, String), Seen> {
        let all = self.lock();
        let own = all.iter().filter(|((namespace, ..), seen)| *namespace == owner.namespace && seen.belongs_to(owner));
        own.map(|((_, kind, name), seen)| ((*kind, name.clone()), seen.clone())).collect()
    }

    /// Takes note of an object, unless something newer of it is known. Says whose it was and is.
    pub fn note(&self, kind: Kind, meta: &ObjectMeta) -> Vec<String> {
        let Some(seen) = Seen::of(meta, self.maker) else { return self.forget(kind, meta) };
        let mut all = self.lock();
        let key = key(kind, meta);
        let before = all.get(&key);
        if before.is_some_and(|before| before.uid == seen.uid && before.version > seen.version) {
            return Vec::new();
        }
        let mut owners: Vec<_> = before.map(|before| before.owner.clone()).into_iter().collect();
        if !owners.contains(&seen.owner) {
            owners.push(seen.owner.clone());
        }
        all.insert(key, seen);
        owners
    }

    /// Strikes out an object that is gone. Says whose it was.
    pub fn forget(&self, kind: Kind, meta: &ObjectMeta) -> Vec<String> {
        let mut all = self.lock();
        let key = key(kind, meta);
        // What has taken its name since stays.
        let same = all.get(&key).is_some_and(|seen| Some(&seen.uid) == meta.uid.as_ref());
        if same { all.remove(&key).map(|seen| seen.owner).into_iter().collect() } else { Vec::new() }
    }

    /// Strikes out what a complete list of a kind in a namespace, or in all, does not hold. Says whose it was.
    fn retain(&self, kind: Kind, namespace: Option<&str>, listed: &HashSet<(String, String)>) -> Vec<(String, String)> {
        let mut gone = Vec::new();
        self.lock().retain(|(ns, k, name), seen| {
            let watched = *k == kind && namespace.is_none_or(|namespace| namespace == ns);
            let keep = !watched || listed.contains(&(ns.clone(), name.clone()));
            if !keep {
                gone.push((ns.clone(), seen.owner.clone()));
            }
            keep
        });
        gone
    }

    fn list_done(&self) {
        self.lists_due.send_modify(|due| *due = due.saturating_sub(1));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ObjectKey, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(kind: Kind, meta: &ObjectMeta) -> ObjectKey {
    (meta.namespace.clone().unwrap_or_default(), kind, meta.name.clone().unwrap_or_default())
}

#[cfg(test)]
mod tests;
