//! The end of a resource: it is held until what was made from it is gone, or on its own.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::runtime::events::EventType;
use serde_json::json;
use user_info_api::crd::{DeletionPolicy, UserInfoDeployment};

use super::provision::remove;
use super::{apply, report};
use crate::context::Context;
use crate::error::Error;
use crate::helm::addon::Addon;
use crate::memory::Record;
use crate::names::{ADOPT, FINALIZER, MANAGED_BY, OPERATOR, Owner};
use crate::resource::Watched;

/// Time between two looks at what is left.
const LOOK: Duration = Duration::from_secs(2);
/// After this the resource is let go whatever is left; owner references let the cluster collect the rest.
const LIMIT: Duration = Duration::from_secs(300);

/// Holds the resource, so that its end is seen.
pub async fn hold(meta: &ObjectMeta, context: &Context) -> Result<(), Error> {
    let held = meta.finalizers.iter().flatten();
    if held.clone().any(|finalizer| finalizer == FINALIZER) {
        return Ok(());
    }
    finalizers(meta, held.map(String::as_str).chain([FINALIZER]).collect(), context).await
}

/// Takes apart what was made, in the reverse order, and lets the resource go when that is done. Returns when to look again.
pub async fn finish(watched: &Watched, policy: DeletionPolicy, record: &mut Record, context: &Context) -> Result<Option<Duration>, Error> {
    use kube::Resource;

    let meta = watched.meta();
    if !meta.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER) {
        return Ok(None);
    }
    let owner = Owner::of(meta);
    let children = context.children.of(&owner);
    let overdue = meta.deletion_timestamp.as_ref().is_some_and(|since| Timestamp::now().duration_since(since.0).unsigned_abs() > LIMIT);
    let removes = policy == DeletionPolicy::Delete && !overdue;
    if removes && let Some(pause) = remove::releases(&owner, &[Addon::Grafana, Addon::Prometheus], record, context).await? {
        return Ok(Some(pause));
    }
    if !children.is_empty() && !overdue {
        for ((kind, name), seen) in &children {
            match policy {
                DeletionPolicy::Delete if seen.terminating => {}
                DeletionPolicy::Delete => apply::remove(&owner.namespace, *kind, name, seen, context).await?,
                DeletionPolicy::Retain => {
                    let api = kind.api(&context.client, &owner.namespace);
                    let Some(live) = apply::claim::look(&api, name).await?.filter(|live| live.uid.as_ref() == Some(&seen.uid)) else {
                        continue;
                    };
                    let others = live.owner_references.into_iter().flatten().filter(|other| Some(&other.uid) != owner.uid.as_ref());
                    let patch = json!({"metadata": {
                        "uid": live.uid,
                        "resourceVersion": live.resource_version,
                        "ownerReferences": others.collect::<Vec<_>>(),
                        "labels": {MANAGED_BY: null},
                        "annotations": {ADOPT: owner.name},
                    }});
                    match api.patch_metadata(name, &parameters(), &Patch::Merge(&patch)).await {
                        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
                        result => drop(result?),
                    }
                    context.metrics.writes.with_label_values(&[kind.name(), "patch"]).inc();
                }
            }
        }
        return Ok(Some(LOOK));
    }
    if removes && let Some(pause) = remove::releases(&owner, &[Addon::Consul, Addon::Redis, Addon::MySql], record, context).await? {
        return Ok(Some(pause));
    }
    let mut left: Vec<_> = children.keys().map(|(kind, name)| format!("{} {name}", kind.name())).collect();
    if policy == DeletionPolicy::Delete {
        left.extend(remove::leftovers(&owner, watched.0.as_ref().ok(), context).await?);
    }
    if !left.is_empty() {
        if !overdue {
            return Ok(Some(LOOK));
        }
        let note = format!("let go although these are not gone yet: {}", left.join(", "));
        report::event(&watched.object_ref(&()), EventType::Warning, "Leftovers", "Finalize", note, context).await;
    }
    let others = meta.finalizers.iter().flatten().map(String::as_str).filter(|finalizer| *finalizer != FINALIZER).collect();
    finalizers(meta, others, context).await?;
    Ok(None)
}

/// Sets the list of finalizers, unless the resource has changed since it was read.
async fn finalizers(meta: &ObjectMeta, list: Vec<&str>, context: &Context) -> Result<(), Error> {
    let owner = Owner::of(meta);
    let api: Api<UserInfoDeployment> = Api::namespaced(context.client.clone(), &owner.namespace);
    let patch = json!({"metadata": {"finalizers": list, "resourceVersion": meta.resource_version, "uid": meta.uid}});
    match api.patch_metadata(&owner.name, &parameters(), &Patch::Merge(&patch)).await {
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Ok(_) => {
            context.metrics.writes.with_label_values(&["UserInfoDeployment", "patch"]).inc();
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

fn parameters() -> PatchParams {
    PatchParams { field_manager: Some(OPERATOR.to_owned()), ..PatchParams::default() }
}
