//! Takes releases away: those that are no longer wanted, and all of them at the end of a resource.

use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{DeleteParams, ListParams, Preconditions};
use kube::{Api, ResourceExt};
use tokio::time::Instant;
use user_info_api::crd::UserInfoDeployment;

use super::account::{self, Account};
use super::{legacy, releases};
use crate::context::Context;
use crate::error::Error;
use crate::helm::SLACK;
use crate::helm::addon::Addon;
use crate::helm::command::{self, Call, Verb};
use crate::helm::plan::{Action, Standing, plan};
use crate::helm::revision::Revision;
use crate::helm::runner::{Progress, Task};
use crate::kind::Kind;
use crate::memory::Record;
use crate::names::{COMPONENT, INSTANCE, Owner};
use crate::reconcile::pace;

/// How long removing a release may take.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Failures in a row from which on a chart's hooks are left out: they are most likely what fails.
const WITHOUT_HOOKS: u32 = 3;
/// How soon it is looked again for what someone has to mend elsewhere: nothing tells of the cure.
const LOOK_FOR_CURE: Duration = Duration::from_secs(5);
/// Time between two looks at what is left.
const LOOK: Duration = Duration::from_secs(2);

/// Removes the releases of `addons`, one after the other. Returns when to look again; none if none of them is left.
pub async fn releases(owner: &Owner, addons: &[Addon], record: &mut Record, context: &Context) -> Result<Option<Duration>, Error> {
    let key = |addon: Addon| (owner.namespace.clone(), addon.release(&owner.name));
    for addon in addons {
        let memory = record.addons.entry(*addon).or_default();
        match context.runner.progress(&key(*addon)) {
            Some(Progress::Running(_)) => return Ok(Some(LOOK)),
            Some(Progress::Ended(_, Some(complaint))) => {
                memory.failures += 1;
                memory.again = Some(Instant::now() + pace::after_failed_release(memory.failures));
                context.metrics.addon_failures.with_label_values(&[addon.name(), complaint.reason]).inc();
                memory.complaint = Some(complaint);
            }
            Some(Progress::Ended(_, None)) => memory.succeeded(),
            None => {}
        }
    }
    let histories = releases::histories(&context.client, owner).await?;
    for addon in addons {
        let history = histories.get(addon).map_or(&[][..], Vec::as_slice);
        let memory = record.addons.entry(*addon).or_default();
        let standing = Standing { history, unchanged: memory.unchanged(history), drifted: false };
        match plan(&owner.name, None, standing) {
            Action::Uninstall => {
                let left = memory.again.map(|again| again.saturating_duration_since(Instant::now())).unwrap_or_default();
                if !left.is_zero() {
                    return Ok(Some(left));
                }
                match account::ready(&owner.namespace, context).await? {
                    Account::Ready => {}
                    Account::Soon(left) => return Ok(Some(left)),
                    Account::Lacking(lack) => {
                        tracing::warn!(release = addon.release(&owner.name), why = lack.message, "not removed");
                        memory.complaint = Some(lack);
                        return Ok(Some(LOOK_FOR_CURE));
                    }
                }
                let (verb, calls) = removal(owner, *addon, history, memory.failures, context).await?;
                let task = Task { key: key(*addon), owner: owner.name.clone(), verb, calls, limit: TIMEOUT + SLACK };
                context.runner.begin(task);
                return Ok(Some(LOOK));
            }
            Action::Wait(left) => return Ok(Some(left)),
            _ => {}
        }
    }
    Ok(None)
}

/// How a release is removed that could not be `failures` times: one that would take rights which Helm lacks is upgraded first.
async fn removal(owner: &Owner, addon: Addon, history: &[Revision], failures: u32, context: &Context) -> Result<(Verb, Vec<Call>), Error> {
    let release = addon.release(&owner.name);
    if let Some(newest) = history.last().filter(|_| failures < WITHOUT_HOOKS)
        && legacy::holds_role(owner, addon, newest, context).await?
    {
        return Ok((Verb::Upgrade, command::renew(&release, &owner.namespace, &context.helm.charts.path(addon), TIMEOUT)));
    }
    if addon == Addon::Prometheus {
        legacy::clear(owner, context).await?;
    }
    Ok((Verb::Uninstall, command::uninstall(&release, &owner.namespace, TIMEOUT, failures < WITHOUT_HOOKS)))
}

/// What is left of releases that are gone, as `Kind name`; volumes that are not to be kept are removed. Those of an unreadable resource are.
pub async fn leftovers(owner: &Owner, resource: Option<&UserInfoDeployment>, context: &Context) -> Result<Vec<String>, Error> {
    let mut left = Vec::new();
    let kept = |addon: Addon| resource.is_none_or(|resource| addon.settings(&resource.spec).retain_data);
    for addon in Addon::ALL {
        let objects = releases::marks(owner, addon, context).await?;
        // A kept volume is of no use without the passwords that its data were made with.
        left.extend(objects.into_keys().filter(|title| !(kept(addon) && title.starts_with(Kind::Secret.name()))));
        let of = ListParams::default().labels(&format!("{INSTANCE}={},{COMPONENT}={}", owner.name, addon.name()));
        let pods: Api<Pod> = Api::namespaced(context.client.clone(), &owner.namespace);
        left.extend(pods.list_metadata(&of).await?.iter().map(|pod| format!("Pod {}", pod.name_any())));
        if kept(addon) {
            continue;
        }
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(context.client.clone(), &owner.namespace);
        for claim in claims.list_metadata(&of).await? {
            left.push(format!("PersistentVolumeClaim {}", claim.name_any()));
            if claim.metadata.deletion_timestamp.is_none() {
                let same = Preconditions { uid: claim.metadata.uid.clone(), resource_version: None };
                match claims.delete(&claim.name_any(), &DeleteParams::default().preconditions(same)).await {
                    Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
                    result => drop(result?),
                }
                context.metrics.writes.with_label_values(&["PersistentVolumeClaim", "delete"]).inc();
            }
        }
    }
    Ok(left)
}
