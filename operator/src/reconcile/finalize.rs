//! The end of a resource: it is held until what was made from it is gone, or on its own.

mod leave;
mod wait;

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::Patch;
use kube::{Api, Resource};
use serde_json::json;
use user_info_api::crd::{DeletionPolicy, UserInfoDeployment};

use self::leave::Leaves;
use super::apply;
use super::provision::account;
use super::provision::remove::{self, Wait};
use crate::addons::Addon;
use crate::children::Seen;
use crate::context::Context;
use crate::error::Error;
use crate::kind::Kind;
use crate::memory::Record;
use crate::names::{ADOPT, FINALIZER, MANAGED_BY, Owner};
use crate::resource::Watched;
use crate::writes;

/// Time between two looks at what is left, at first.
const LOOK: Duration = Duration::from_secs(2);

/// Holds the resource, so that its end is seen.
pub async fn hold(meta: &ObjectMeta, context: &Context) -> Result<(), Error> {
    let held = meta.finalizers.iter().flatten();
    if held.clone().any(|finalizer| finalizer == FINALIZER) {
        return Ok(());
    }
    finalizers(meta, held.map(String::as_str).chain([FINALIZER]).collect(), context).await.map(drop)
}

/// How far the end of a resource is.
enum End {
    /// Something is still there.
    Waits(Wait),
    /// Nothing is left but this.
    Over(Option<Leaves>),
}

impl From<Option<Wait>> for End {
    fn from(wait: Option<Wait>) -> Self {
        wait.map_or(Self::Over(None), Self::Waits)
    }
}

/// Takes apart what was made, in the reverse order, and lets the resource go when that is done. Returns when to look again.
pub async fn finish(watched: &Watched, policy: DeletionPolicy, record: &mut Record, context: &Context) -> Result<Option<Duration>, Error> {
    let meta = watched.meta();
    if !meta.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER) {
        return Ok(None);
    }
    let owner = Owner::of(meta);
    remove::begin(meta, record);
    let end = match leave::leaves(watched, policy, &owner, context).await? {
        Some(leaves) => remove::busy(&owner, context).map_or(End::Over(Some(leaves)), End::Waits),
        None if policy == DeletionPolicy::Retain => retain(&owner, context).await?.into(),
        None => take_apart(watched, &owner, record, context).await?.into(),
    };
    let leaves = match end {
        End::Waits(wait) => return wait::tell(watched, &wait, record, context).await.map(Some),
        End::Over(leaves) => leaves,
    };
    if let Some(leaves) = &leaves {
        leave::tell(watched, leaves, context).await;
    }
    let others = meta.finalizers.iter().flatten().map(String::as_str).filter(|finalizer| *finalizer != FINALIZER).collect();
    let _turn = context.accounts.lock().await;
    account::remove_unless_needed(&owner.namespace, &owner.name, context).await?;
    let took = finalizers(meta, others, context).await?;
    // Where another reconcile came first, as with a cache that lags behind, that one counted.
    if let Some(leaves) = leaves.filter(|_| took) {
        leave::count(&leaves, context);
    }
    Ok(None)
}

/// Removes what looks at the services, the services, what they call, and at last the volumes. Returns what that waits for.
async fn take_apart(watched: &Watched, owner: &Owner, record: &mut Record, context: &Context) -> Result<Option<Wait>, Error> {
    if let Some(wait) = remove::releases(owner, &[Addon::Grafana, Addon::Prometheus], record, context).await? {
        return Ok(Some(wait));
    }
    let children = context.children.of(owner);
    for ((kind, name), seen) in children.iter().filter(|(_, seen)| !seen.terminating) {
        apply::remove(&owner.namespace, *kind, name, seen, context).await?;
    }
    if !children.is_empty() {
        return Ok(Some(Wait::until_gone(titles(&children), LOOK)));
    }
    if let Some(wait) = remove::releases(owner, &[Addon::Consul, Addon::Redis, Addon::MySql], record, context).await? {
        return Ok(Some(wait));
    }
    let left = remove::leftovers(owner, watched.0.as_ref().ok(), context).await?;
    Ok((!left.is_empty()).then(|| Wait::until_gone(left, LOOK)))
}

/// Lets go of the children, and offers them to a resource of the same name. Returns what that waits for.
async fn retain(owner: &Owner, context: &Context) -> Result<Option<Wait>, Error> {
    let children = context.children.of(owner);
    for ((kind, name), seen) in &children {
        let api = kind.api(&context.client, &owner.namespace);
        let Some(live) = apply::look(&api, name).await?.filter(|live| live.uid.as_ref() == Some(&seen.uid)) else { continue };
        let others: Vec<_> = live.owner_references.into_iter().flatten().filter(|other| Some(&other.uid) != owner.uid.as_ref()).collect();
        let patch = json!({"metadata": {
            "uid": live.uid,
            "resourceVersion": live.resource_version,
            "ownerReferences": others,
            "labels": {MANAGED_BY: null},
            "annotations": {ADOPT: owner.name},
        }});
        match api.patch_metadata(name, &writes::merge(), &Patch::Merge(&patch)).await {
            // It is looked at again.
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
            result => {
                result?;
                context.metrics.writes.with_label_values(&[kind.name(), "patch"]).inc();
            }
        }
    }
    Ok((!children.is_empty()).then(|| Wait::until_gone(titles(&children), LOOK)))
}

fn titles(children: &BTreeMap<(Kind, String), Seen>) -> Vec<String> {
    children.keys().map(|(kind, name)| format!("{} {name}", kind.name())).collect()
}

/// Sets the list of finalizers, unless the resource has changed since it was read. Returns whether the resource was still there.
async fn finalizers(meta: &ObjectMeta, list: Vec<&str>, context: &Context) -> Result<bool, Error> {
    let owner = Owner::of(meta);
    let api: Api<UserInfoDeployment> = Api::namespaced(context.client.clone(), &owner.namespace);
    let patch = json!({"metadata": {"finalizers": list, "resourceVersion": meta.resource_version, "uid": meta.uid}});
    match api.patch_metadata(&owner.name, &writes::merge(), &Patch::Merge(&patch)).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(false),
        Ok(_) => {
            context.metrics.writes.with_label_values(&["UserInfoDeployment", "patch"]).inc();
            Ok(true)
        }
        Err(error) => Err(error.into()),
    }
}
