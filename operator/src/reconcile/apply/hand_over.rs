//! Leaves the number of pods to someone else without changing it.

use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::json;

use crate::context::Context;
use crate::error::Error;
use crate::names::OPERATOR;
use crate::reconcile::build::{Child, Plan};

/// Field manager that holds the number until whoever scales the Deployment writes it.
pub(super) const HOLDER: &str = "user-info-operator-replicas";

/// Before `child`, a Deployment without a number of replicas, is applied: if the operator still owns the number, hands it to another field
/// manager. Server-side apply removes a field that its last owner no longer names, and the number would fall back to one.
pub(super) async fn replicas(plan: &Plan, child: &Child, context: &Context) -> Result<(), Error> {
    if child.manifest["spec"].get("replicas").is_some() {
        return Ok(());
    }
    let api = child.kind.api(&context.client, &plan.owner.namespace);
    let Some(live) = api.get_opt(&child.name).await?.filter(owns_replicas) else { return Ok(()) };
    let count = live.data["spec"]["replicas"].as_u64().unwrap_or_default();
    // After a stop there are none, and an autoscaler leaves none alone.
    let count = if count == 0 { u64::from(plan.resource.spec.autoscaling.min_replicas) } else { count };
    let held = json!({
        "apiVersion": child.manifest["apiVersion"],
        "kind": child.manifest["kind"],
        "metadata": {"name": child.name, "uid": live.metadata.uid},
        "spec": {"replicas": count},
    });
    api.patch(&child.name, &PatchParams::apply(HOLDER).force(), &Patch::Apply(&held)).await?;
    context.metrics.writes.with_label_values(&[child.kind.name(), "apply"]).inc();
    Ok(())
}

fn owns_replicas(live: &DynamicObject) -> bool {
    let entries = live.metadata.managed_fields.iter().flatten();
    let mut own = entries.filter(|entry| entry.manager.as_deref() == Some(OPERATOR) && entry.operation.as_deref() == Some("Apply"));
    own.any(|entry| entry.fields_v1.as_ref().is_some_and(|fields| !fields.0["f:spec"]["f:replicas"].is_null()))
}
