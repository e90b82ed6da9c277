//! Takes releases away: those that are no longer wanted, and all of them at the end of a resource.

use std::collections::BTreeSet;
use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, ListParams, PartialObjectMeta, Preconditions};
use kube::{Api, ResourceExt};
use tokio::time::Instant;
use user_info_api::crd::UserInfoDeployment;

use super::account::{self, Account};
use super::{Provision, legacy, readiness, releases};
use crate::addons::Addon;
use crate::context::Context;
use crate::error::Error;
use crate::helm::SLACK;
use crate::helm::command::{self, Call, Verb};
use crate::helm::complaint::Complaint;
use crate::helm::plan::{Action, Standing, plan};
use crate::helm::revision::Revision;
use crate::helm::runner::{ReleaseKey, Task, TaskState};
use crate::kind::Kind;
use crate::memory::{AddonRecord, Record};
use crate::names::{COMPONENT, INSTANCE, Owner};
use crate::namespace;
use crate::reconcile::pace;

/// How long removing a release may take.
const TIMEOUT: Duration = Duration::from_secs(120);
/// Failures in a row from which on a chart's hooks are left out: they are most likely what fails.
const WITHOUT_HOOKS: u32 = 3;
/// How soon it is looked again for what someone has to mend elsewhere: nothing tells of the cure.
const LOOK_FOR_CURE: Duration = Duration::from_secs(5);
/// Time between two looks at what is left.
const LOOK: Duration = Duration::from_secs(2);

/// What the end of something waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// What is still there, such as `Kind name`.
    pub what: Vec<String>,
    /// Why, if something is the matter.
    pub complaint: Option<Complaint>,
    /// When to look again.
    pub again: Duration,
}

impl Wait {
    /// Waits until all of it is gone; nothing is known to be the matter.
    pub const fn until_gone(what: Vec<String>, again: Duration) -> Self {
        Self { what, complaint: None, again }
    }
}

/// Counts failures anew when the end of a resource begins: those of another release than none do not matter any more.
pub fn begin(meta: &ObjectMeta, record: &mut Record) {
    for addon in Addon::ALL {
        let known = record.addons.entry(addon).or_default();
        known.speak_of((meta.generation.unwrap_or_default(), String::new()));
    }
}

/// What Helm is at work on for a resource.
pub fn busy(owner: &Owner, context: &Context) -> Option<Wait> {
    let works = |addon: &Addon| matches!(context.runner.state(&key(owner, *addon)), Some(TaskState::Running(_)));
    let what: Vec<_> = Addon::ALL.into_iter().filter(works).map(|addon| title(owner, addon)).collect();
    (!what.is_empty()).then(|| Wait::until_gone(what, LOOK))
}

/// Begins to remove the releases that are no longer wanted, unless the resource is paused: what the services called only once it is `unused`.
/// Returns when to look again.
pub async fn surplus(
    resource: &UserInfoDeployment,
    provision: Option<&Provision>,
    unused: bool,
    record: &mut Record,
    context: &Context,
) -> Result<Option<Duration>, Error> {
    let removable = provision.filter(|_| !resource.spec.operation.paused).map(|provision| provision.removable(unused)).unwrap_or_default();
    if removable.is_empty() {
        return Ok(None);
    }
    Ok(releases(&Owner::of(&resource.metadata), &removable, record, context).await?.map(|wait| wait.again))
}

/// Removes the releases of `addons`, one after the other. Returns what that waits for; none if none of them is left.
pub async fn releases(owner: &Owner, addons: &[Addon], record: &mut Record, context: &Context) -> Result<Option<Wait>, Error> {
    let wait = |addon: Addon, known: &AddonRecord, again: Duration| {
        Ok(Some(Wait { what: vec![title(owner, addon)], complaint: known.complaint.clone(), again }))
    };
    for addon in addons {
        let known = record.addons.entry(*addon).or_default();
        match context.runner.state(&key(owner, *addon)) {
            Some(TaskState::Running(_)) => return wait(*addon, known, LOOK),
            Some(TaskState::Ended(_, Some(complaint))) => {
                known.failures += 1;
                known.again = Some(Instant::now() + pace::after_failed_release(known.failures));
                context.metrics.addon_failures.with_label_values(&[addon.name(), complaint.reason.name()]).inc();
                known.complaint = Some(complaint);
            }
            Some(TaskState::Ended(_, None)) => known.succeeded(),
            None => {}
        }
    }
    let histories = releases::histories(&context.client, owner).await?;
    for addon in addons {
        let history = histories.get(addon).map_or(&[][..], Vec::as_slice);
        let known = record.addons.entry(*addon).or_default();
        let standing = Standing { history, unchanged: known.unchanged(history), drifted: false };
        match plan(&owner.name, None, standing) {
            Action::Uninstall => {
                let left = known.again.map(|again| again.saturating_duration_since(Instant::now())).unwrap_or_default();
                if !left.is_zero() {
                    return wait(*addon, known, left);
                }
                let again = begin_removal(owner, *addon, history, known, context).await?;
                return wait(*addon, known, again);
            }
            Action::Wait(left) => return wait(*addon, known, left),
            _ => {}
        }
    }
    Ok(None)
}

/// Begins to remove a release, unless the namespace goes anyway, or Helm has no account to do it. Returns when to look again.
async fn begin_removal(
    owner: &Owner,
    addon: Addon,
    history: &[Revision],
    known: &mut AddonRecord,
    context: &Context,
) -> Result<Duration, Error> {
    if namespace::terminating(&context.client, &owner.namespace).await? {
        return Ok(LOOK);
    }
    match account::ready(&owner.namespace, context).await? {
        Account::Ready => {}
        Account::Soon(left) => return Ok(left),
        Account::Lacking(lack) => {
            known.complaint = Some(lack);
            return Ok(LOOK_FOR_CURE);
        }
    }
    let (verb, calls) = removal(owner, addon, history, known.failures, context).await?;
    context.runner.begin(Task { key: key(owner, addon), owner: owner.name.clone(), verb, calls, limit: TIMEOUT + SLACK });
    Ok(LOOK)
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

fn key(owner: &Owner, addon: Addon) -> ReleaseKey {
    (owner.namespace.clone(), addon.release(&owner.name))
}

fn title(owner: &Owner, addon: Addon) -> String {
    format!("Helm release {}", addon.release(&owner.name))
}

/// The addons whose release is not someone else's; with whether there is one.
async fn own(owner: &Owner, context: &Context) -> Result<Vec<(Addon, bool)>, Error> {
    let histories = releases::histories(&context.client, owner).await?;
    let newest = |addon: Addon| histories.get(&addon).and_then(|history| history.last());
    let foreign = |addon: &Addon| newest(*addon).is_some_and(|newest| newest.owner.as_ref() != Some(&owner.name));
    Ok(Addon::ALL.into_iter().filter(|addon| !foreign(addon)).map(|addon| (addon, newest(addon).is_some())).collect())
}

/// The releases that stand, with their objects and volumes, as `Kind name`.
pub async fn standing(owner: &Owner, context: &Context) -> Result<Vec<String>, Error> {
    let mut all = Vec::new();
    for (addon, stands) in own(owner, context).await? {
        all.extend(stands.then(|| title(owner, addon)));
        all.extend(releases::marks(owner, addon, context).await?.into_keys());
        all.extend(claims(owner, addon, context).await?.iter().map(|claim| claim_title(&claim.name_any())));
    }
    Ok(all)
}

/// What is left of releases that are gone, as `Kind name`; volumes that are not to be kept are removed. Those of an unreadable resource are.
pub async fn leftovers(owner: &Owner, resource: Option<&UserInfoDeployment>, context: &Context) -> Result<Vec<String>, Error> {
    let mut left = Vec::new();
    let kept = |addon: Addon| resource.is_none_or(|resource| addon.settings(&resource.spec).retain_data);
    // Who has a release of that name has objects and volumes of his own.
    for (addon, _) in own(owner, context).await? {
        let objects = releases::marks(owner, addon, context).await?;
        // A kept volume is of no use without the passwords that its data were made with.
        left.extend(objects.into_keys().filter(|title| !(kept(addon) && title.starts_with(Kind::Secret.name()))));
        let pods: Api<Pod> = Api::namespaced(context.client.clone(), &owner.namespace);
        let pods = pods.list(&labelled(owner, addon)).await?.items;
        left.extend(pods.iter().map(|pod| format!("Pod {}", pod.name_any())));
        if !kept(addon) {
            left.extend(volumes(owner, addon, &pods, context).await?);
        }
    }
    Ok(left)
}

/// Removes the volumes of an addon that nobody uses any more. Returns those that are left.
async fn volumes(owner: &Owner, addon: Addon, pods: &[Pod], context: &Context) -> Result<Vec<String>, Error> {
    let found = claims(owner, addon, context).await?;
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let used: BTreeSet<_> = readiness::claimed(pods).into_iter().collect();
    let sets: Api<StatefulSet> = Api::namespaced(context.client.clone(), &owner.namespace);
    let sets: Vec<_> = sets.list_metadata(&ListParams::default()).await?.iter().map(ResourceExt::name_any).collect();
    let own = releases::marks(owner, addon, context).await?;
    let api: Api<PersistentVolumeClaim> = Api::namespaced(context.client.clone(), &owner.namespace);
    let mut left = Vec::new();
    for claim in found {
        let name = claim.name_any();
        if let Some(set) = sets.iter().find(|set| claims_for(set, &name)) {
            // It is waited for with the StatefulSet, unless both are someone else's.
            left.extend(own.contains_key(&format!("{} {set}", Kind::StatefulSet.name())).then(|| claim_title(&name)));
            continue;
        }
        left.push(claim_title(&name));
        if claim.metadata.deletion_timestamp.is_none() && !used.contains(&name) {
            let same = Preconditions { uid: claim.metadata.uid.clone(), resource_version: None };
            match api.delete(&name, &DeleteParams::default().preconditions(same)).await {
                Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {}
                result => drop(result?),
            }
            context.metrics.writes.with_label_values(&["PersistentVolumeClaim", "delete"]).inc();
        }
    }
    Ok(left)
}

/// The volumes of an addon: those with its labels that nobody controls but the `StatefulSet` whose they are, or its pod.
async fn claims(owner: &Owner, addon: Addon, context: &Context) -> Result<Vec<PartialObjectMeta<PersistentVolumeClaim>>, Error> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(context.client.clone(), &owner.namespace);
    let mut found = claims.list_metadata(&labelled(owner, addon)).await?.items;
    found.retain(|claim| {
        let mut controllers = claim.owner_references().iter().filter(|reference| reference.controller == Some(true));
        let name = claim.name_any();
        controllers.all(|controller| match controller.kind.as_str() {
            "StatefulSet" => claims_for(&controller.name, &name),
            "Pod" => name.ends_with(&format!("-{}", controller.name)),
            _ => false,
        })
    });
    Ok(found)
}

/// Whether a claim has the name of one that a `StatefulSet` makes: `TEMPLATE-SET-NUMBER`.
fn claims_for(set: &str, claim: &str) -> bool {
    let number = claim.rsplit_once('-').filter(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
    number.is_some_and(|(rest, _)| rest.strip_suffix(set).is_some_and(|template| template.len() > 1 && template.ends_with('-')))
}

fn claim_title(name: &str) -> String {
    format!("PersistentVolumeClaim {name}")
}

fn labelled(owner: &Owner, addon: Addon) -> ListParams {
    ListParams::default().labels(&format!("{INSTANCE}={},{COMPONENT}={}", owner.name, addon.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_told_by_its_name() {
        assert!(claims_for("demo-redis", "data-demo-redis-0") && claims_for("demo-redis", "my-data-demo-redis-12"));
        for other in ["data-demo-redis", "data-demo-redis-x", "demo-redis-0", "-demo-redis-0", "data-my-redis-0", "data-demo-redis-", ""] {
            assert!(!claims_for("demo-redis", other), "{other}");
        }
    }
}
