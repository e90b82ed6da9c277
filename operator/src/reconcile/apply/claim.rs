//! Makes an object that is missing, unless one stands there that is not the resource's.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{DynamicObject, Patch};
use serde_json::json;

use super::look::look;
use super::take_over;
use crate::children::created_by;
use crate::context::Context;
use crate::error::Error;
use crate::names::{ADOPT, INSTANCE, MANAGED_BY, OPERATOR, Owner};
use crate::ownership::{Ownership, is_resource, ownership, title};
use crate::reconcile::build::Child;
use crate::writes;

/// Tries to write what others write at the same time, such as the Deployment's own controller.
const TRIES: usize = 5;

/// An object that is the resource's.
#[derive(Debug)]
pub(super) struct Claimed {
    pub(super) uid: String,
    /// Whether it stood there before.
    pub(super) stood: bool,
}

/// Creates an object. To apply it would change one that stands there; so that is looked at first, and taken only if it is the resource's own,
/// whatever became of its labels, or is offered.
pub(super) async fn claim(api: &Api<DynamicObject>, owner: &Owner, child: &Child, context: &Context) -> Result<Claimed, Error> {
    let refused = |source: kube::Error| Error::Apply { kind: child.kind, name: child.name.clone(), source: source.into() };
    let replaced = || Error::Replaced { kind: child.kind, name: child.name.clone() };
    let object: DynamicObject = serde_json::from_value(child.manifest.clone()).map_err(|error| refused(kube::Error::SerdeError(error)))?;
    match api.create(&writes::create(), &object).await {
        Ok(made) => {
            context.metrics.writes.with_label_values(&[child.kind.name(), "create"]).inc();
            return Ok(Claimed { uid: made.metadata.uid.unwrap_or_default(), stood: false });
        }
        Err(kube::Error::Api(status)) if status.is_already_exists() => {}
        Err(error) => return Err(refused(error)),
    }
    let live = look(api, &child.name).await?.filter(|live| live.deletion_timestamp.is_none()).ok_or_else(replaced)?;
    match ownership(&live, owner) {
        Ownership::Own => Ok(Claimed { uid: live.uid.unwrap_or_default(), stood: true }),
        Ownership::Offered => adopt(api, owner, child, live, context).await,
        Ownership::Foreign(controller) => {
            let objects = vec![title(child.kind.name(), &child.name, controller.as_deref())];
            Err(Error::Foreign { owner: owner.name.clone(), objects })
        }
    }
}

/// Those of `children` that are someone else's, in words.
pub(super) async fn foreign<'a>(owner: &Owner, children: impl Iterator<Item = &'a Child>, context: &Context) -> Result<Vec<String>, Error> {
    let mut all = Vec::new();
    for child in children {
        let live = look(&child.kind.api(&context.client, &owner.namespace), &child.name).await?;
        if let Some(Ownership::Foreign(controller)) = live.map(|live| ownership(&live, owner)) {
            all.push(title(child.kind.name(), &child.name, controller.as_deref()));
        }
    }
    Ok(all)
}

/// Makes an object the resource's that is offered to it, by one write: after that it can be applied like any other. Fields of those who made it
/// become the operator's, so that what is not wanted goes.
async fn adopt(api: &Api<DynamicObject>, owner: &Owner, child: &Child, live: ObjectMeta, context: &Context) -> Result<Claimed, Error> {
    let version = child.kind.resource().api_version;
    let others = live.owner_references.into_iter().flatten().filter(|reference| !is_resource(reference));
    let references: Vec<_> = others.chain(owner.uid.as_ref().map(|uid| owner.reference(uid))).collect();
    let patch = json!({"metadata": {
        "uid": live.uid,
        "resourceVersion": live.resource_version,
        "ownerReferences": references,
        "labels": {MANAGED_BY: OPERATOR, INSTANCE: owner.name},
        "annotations": {ADOPT: null},
        "managedFields": take_over::all(live.managed_fields.unwrap_or_default(), &version),
    }});
    api.patch_metadata(&child.name, &writes::merge(), &Patch::Merge(&patch)).await?;
    context.metrics.writes.with_label_values(&[child.kind.name(), "patch"]).inc();
    tracing::info!(kind = child.kind.name(), name = child.name, "adopted");
    Ok(Claimed { uid: live.uid.unwrap_or_default(), stood: true })
}

/// After an object was applied, gives up the fields that the operator owns by having created it. They would never go, even when they are no
/// longer applied (kubernetes/kubernetes#99003), and those that the API server set by default are nobody's.
pub(super) async fn settle(api: &Api<DynamicObject>, child: &Child, applied: ObjectMeta, context: &Context) -> Result<ObjectMeta, Error> {
    let replaced = || Error::Replaced { kind: child.kind, name: child.name.clone() };
    let uid = applied.uid.clone();
    let mut live = applied;
    for _ in 0..TRIES {
        let Some(entries) = &live.managed_fields else { return Ok(live) };
        let kept: Vec<_> = entries.iter().filter(|entry| !created_by(OPERATOR, entry)).collect();
        if kept.len() == entries.len() {
            return Ok(live);
        }
        let patch = json!({"metadata": {"managedFields": kept, "resourceVersion": live.resource_version, "uid": uid}});
        match api.patch_metadata(&child.name, &writes::merge(), &Patch::Merge(&patch)).await {
            Ok(settled) => {
                context.metrics.writes.with_label_values(&[child.kind.name(), "patch"]).inc();
                return Ok(settled.metadata);
            }
            Err(kube::Error::Api(status)) if status.is_conflict() => {
                live = look(api, &child.name).await?.filter(|live| live.uid == uid).ok_or_else(replaced)?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Err(replaced())
}
