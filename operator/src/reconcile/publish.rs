//! Makes the status known: writes it where it has changed, and tells of the reason in an Event and a metric where that has.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;
use kube::api::Patch;
use kube::runtime::events::EventType;
use kube::{Api, ResourceExt};
use serde_json::json;
use user_info_api::crd::{UserInfoDeployment, UserInfoDeploymentStatus};

use super::events::event;
use crate::condition::ConditionType;
use crate::context::Context;
use crate::error::Error;
use crate::memory::Record;
use crate::reason::Reason;
use crate::writes;

/// Writes `status` unless the resource has it.
pub async fn write(resource: &UserInfoDeployment, status: &UserInfoDeploymentStatus, context: &Context) -> Result<(), Error> {
    if resource.status.as_ref() == Some(status) {
        return Ok(());
    }
    let api: Api<UserInfoDeployment> = Api::namespaced(context.client.clone(), &resource.namespace().unwrap_or_default());
    let patch = json!({
        "apiVersion": UserInfoDeployment::api_version(&()),
        "kind": UserInfoDeployment::kind(&()),
        // Not that of one that has taken its name since.
        "metadata": {"uid": resource.metadata.uid},
        "status": status,
    });
    match api.patch_status(&resource.name_any(), &writes::apply(), &Patch::Apply(&patch)).await {
        Ok(_) => {
            context.metrics.writes.with_label_values(&["UserInfoDeployment", "status"]).inc();
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Tells of the reason why the resource is ready or not, if it is another than before.
pub async fn tell(resource: &UserInfoDeployment, status: &UserInfoDeploymentStatus, record: &mut Record, context: &Context) {
    let is_ready = |condition: &&Condition| condition.type_ == ConditionType::Ready.name();
    let Some(ready) = status.conditions.iter().find(is_ready) else { return };
    let Some(reason) = Reason::named(&ready.reason) else { return };
    let before = record.told.replace(reason);
    if before == Some(reason) {
        return;
    }
    context.metrics.state(before, Some(reason));
    // After a start of the operator, the status still says what was told.
    let old = resource.status.iter().flat_map(|status| &status.conditions).find(is_ready);
    if before.is_none() && old.is_some_and(|old| old.reason == ready.reason) {
        return;
    }
    let warning = ready.status != "True" && !reason.expected();
    let type_ = if warning { EventType::Warning } else { EventType::Normal };
    event(&resource.object_ref(&()), type_, reason, "Reconcile", ready.message.clone(), context).await;
}
