//! What version 0.1.0 left: its chart of Prometheus made a Role and its binding itself, which Helm may no longer touch.

use kube::ResourceExt;
use kube::api::{DeleteParams, Preconditions};

use super::releases;
use crate::addons::Addon;
use crate::context::Context;
use crate::error::Error;
use crate::helm::revision::{Revision, Status};
use crate::kind::Kind;
use crate::names::{MANAGED_BY, Owner, RELEASE_NAME};

/// Whether a release has to be upgraded before it is removed: Helm would have to remove a Role, which it may not.
pub(super) async fn holds_role(owner: &Owner, addon: Addon, newest: &Revision, context: &Context) -> Result<bool, Error> {
    // Of any other Helm makes no new revision.
    if addon != Addon::Prometheus || !matches!(newest.status, Status::Deployed | Status::Failed | Status::Superseded) {
        return Ok(false);
    }
    let payload = releases::payload(&context.client, owner, &newest.secret).await?;
    Ok(payload.is_some_and(|payload| payload.chart.metadata.name == addon.name() && payload.grants()))
}

/// Removes Role and binding of a Prometheus, if a chart has made them.
pub(super) async fn clear(owner: &Owner, context: &Context) -> Result<(), Error> {
    let release = Addon::Prometheus.release(&owner.name);
    for kind in [Kind::RoleBinding, Kind::Role] {
        let api = kind.api(&context.client, &owner.namespace);
        let Some(found) = api.get_metadata_opt(&release).await? else { continue };
        let helms = found.labels().get(MANAGED_BY).is_some_and(|by| by == "Helm");
        if !helms || found.annotations().get(RELEASE_NAME) != Some(&release) {
            continue;
        }
        let same = Preconditions { uid: found.uid(), resource_version: None };
        match api.delete(&release, &DeleteParams::default().preconditions(same)).await {
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
            result => {
                result?;
                context.metrics.writes.with_label_values(&[kind.name(), "delete"]).inc();
                tracing::info!(kind = kind.name(), name = release, "removed what version 0.1.0 had its chart make");
            }
        }
    }
    Ok(())
}
