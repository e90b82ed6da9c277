//! Resources that are not what their schema says, such as those of another version. They are told so, and can be deleted.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::api::{Api, ApiResource, DynamicObject, Patch};
use kube::core::error_boundary::InvalidObject;
use serde_json::{Value, json};
use user_info_api::crd::{DeletionPolicy, UserInfoDeployment, UserInfoDeploymentStatus};

use super::status::condition;
use crate::condition::ConditionType;
use crate::context::Context;
use crate::error::Error;
use crate::names::Owner;
use crate::resource::{self, Watched};
use crate::writes;

/// What becomes of what was made from the resource. Of an unreadable one, the field is read alone; where even that fails, nothing is removed.
pub async fn policy(watched: &Watched, context: &Context) -> Result<DeletionPolicy, Error> {
    if let Ok(resource) = &watched.0 {
        return Ok(resource.spec.deletion_policy);
    }
    let owner = Owner::of(watched.meta());
    let Some(object) = api(&owner, context).get_opt(&owner.name).await? else { return Ok(DeletionPolicy::Retain) };
    Ok(match &object.data["spec"]["deletionPolicy"] {
        Value::Null => DeletionPolicy::default(),
        value => serde_json::from_value(value.clone()).unwrap_or(DeletionPolicy::Retain),
    })
}

/// What the status says; of an unreadable resource as far as that can be read.
pub async fn status(watched: &Watched, context: &Context) -> Result<UserInfoDeploymentStatus, Error> {
    if let Ok(resource) = &watched.0 {
        return Ok(resource.status.clone().unwrap_or_default());
    }
    let owner = Owner::of(watched.meta());
    let live = api(&owner, context).get_opt(&owner.name).await?;
    Ok(live.and_then(|live| serde_json::from_value(live.data["status"].clone()).ok()).unwrap_or_default())
}

/// Says in the status why the resource cannot be read, unless it stands there. What runs is left as it is.
pub async fn report(object: &InvalidObject, context: &Context) -> Result<Duration, Error> {
    let owner = Owner::of(&object.metadata);
    let error = Error::Unreadable(resource::unreadable(object).to_string());
    let api = api(&owner, context);
    let Some(live) = api.get_opt(&owner.name).await? else { return Err(error) };
    let before: UserInfoDeploymentStatus = serde_json::from_value(live.data["status"].clone()).unwrap_or_default();
    let message = error.to_string();
    if before.conditions.iter().any(|ready| ready.type_ == ConditionType::Ready.name() && ready.message == message) {
        return Err(error);
    }
    let make = |kind, holds| condition(&before, kind, holds, error.reason(), message.clone(), object.metadata.generation, Timestamp::now());
    let patch = json!({"status": {"conditions": [
        make(ConditionType::Ready, false),
        make(ConditionType::Degraded, true),
        make(ConditionType::Stalled, true),
    ]}});
    // No server-side apply: it would have to understand the whole object.
    api.patch_status(&owner.name, &writes::merge(), &Patch::Merge(&patch)).await?;
    context.metrics.writes.with_label_values(&["UserInfoDeployment", "status"]).inc();
    Err(error)
}

pub(super) fn api(owner: &Owner, context: &Context) -> Api<DynamicObject> {
    Api::namespaced_with(context.client.clone(), &owner.namespace, &ApiResource::erase::<UserInfoDeployment>(&()))
}
