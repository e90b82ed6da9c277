//! Brings releases to what the resource wants of them, and says how far they are.
//!
//! Helm is begun here and not waited for: when it has ended, the resource is reconciled again.

pub mod account;
mod addon_status;
mod hold;
mod legacy;
mod outside;
mod readiness;
mod releases;
pub mod remove;
mod step;
mod wanted;

use std::collections::BTreeMap;
use std::time::Duration;

use user_info_api::crd::{AddonStatus, DriftDetection, UserInfoDeployment};

pub use self::hold::{hold, used};
pub(crate) use self::releases::{RELEASED, histories, payload};
use self::step::Step;
pub use self::wanted::{Wanted, wanted};
use super::pace;
use crate::addons::Addon;
use crate::context::Context;
use crate::error::Error;
use crate::helm::command::Verb;
use crate::helm::complaint::Complaint;
use crate::helm::runner::TaskState;
use crate::memory::{AddonRecord, Record};
use crate::names::Owner;

/// Failures in a row from which on only a change of the resource is expected to help.
pub const STALLED: i32 = 5;
/// How often what `valuesFrom` names is looked at: nothing tells that it has changed.
const LOOK_AT_VALUES: Duration = Duration::from_secs(60);

/// How far an addon is.
#[derive(Debug, Clone, PartialEq)]
pub struct AddonProgress {
    /// Which.
    pub addon: Addon,
    /// What the status says of it.
    pub status: AddonStatus,
    /// What is the matter with it.
    pub complaint: Option<Complaint>,
    /// What someone else has changed of it and was left so.
    pub drifted: Vec<String>,
}

/// How far all addons are.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Provision {
    /// Those that are not disabled.
    pub addons: Vec<AddonProgress>,
    /// Those that have a release which is no longer wanted, in the order in which it is to go.
    pub surplus: Vec<Addon>,
    /// When to look again.
    pub again: Option<Duration>,
}

impl Provision {
    /// What may be removed: what the services called only once they do not use it any more, what only looks at them at any time.
    pub fn removable(&self, unused: bool) -> Vec<Addon> {
        self.surplus.iter().copied().filter(|addon| unused || !addon.serves_calls()).collect()
    }
}

/// Begins what is to be done about each release, unless the resource is paused, and says how far they are.
pub async fn provision(resource: &UserInfoDeployment, wanted: &Wanted, record: &mut Record, context: &Context) -> Result<Provision, Error> {
    let owner = Owner::of(&resource.metadata);
    // What has ended is taken note of before the releases are looked at: they are not to be older than the news.
    let mut running = BTreeMap::new();
    for addon in Addon::ALL {
        let known = record.addons.entry(addon).or_default();
        known.speak_of((resource.metadata.generation.unwrap_or_default(), wanted.digest(addon).to_owned()));
        running.extend(ended(resource, &owner, addon, known, context).await.map(|verb| (addon, verb)));
    }
    let histories = histories(&context.client, &owner).await?;
    let readiness = readiness::of(&owner, context).await?;
    let mut provision = Provision::default();
    for addon in Addon::ALL {
        let history = histories.get(&addon).map_or(&[][..], Vec::as_slice);
        let known = record.addons.entry(addon).or_default();
        if !addon.managed(&resource.spec) {
            let own = history.last().is_some_and(|newest| newest.owner.as_deref() == Some(owner.name.as_str()));
            provision.surplus.extend(own.then_some(addon));
            let removing = running.contains_key(&addon) || own;
            provision.addons.extend(addon_status::unmanaged(resource, addon, removing.then_some(&*known)));
            continue;
        }
        let mut step =
            Step { resource, owner: &owner, addon, history, wanted, running: running.get(&addon).copied(), known, context, again: None };
        let drifted = step.drifted().await?;
        step.converge(&drifted).await?;
        step.write_baseline().await?;
        step.read_chart().await?;
        step.clear_legacy().await?;
        let ready = readiness.get(&addon).cloned().unwrap_or_else(readiness::nothing);
        let mut progressed = addon_status::managed(&step, &ready);
        if resource.spec.drift_detection == DriftDetection::Warn {
            progressed.drifted = drifted;
        }
        provision.again = pace::sooner(provision.again, step.again);
        if !addon.settings(&resource.spec).values_from.is_empty() {
            provision.again = pace::sooner(provision.again, Some(LOOK_AT_VALUES));
        }
        provision.addons.push(progressed);
    }
    provision.surplus.reverse();
    Ok(provision)
}

/// Takes note of what Helm has ended for an addon. Returns what it is still doing.
async fn ended(resource: &UserInfoDeployment, owner: &Owner, addon: Addon, known: &mut AddonRecord, context: &Context) -> Option<Verb> {
    match context.runner.state(&(owner.namespace.clone(), addon.release(&owner.name)))? {
        TaskState::Running(verb) => return Some(verb),
        TaskState::Ended(_, None) => known.succeeded(),
        TaskState::Ended(_, Some(complaint)) => step::failed(resource, addon, known, complaint, context).await,
    }
    None
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use user_info_api::crd::{AddonMode, AddonPhase};

    #[test]
    fn only_what_served_calls_waits_until_nobody_uses_it() {
        let provision = Provision { surplus: vec![Addon::Grafana, Addon::Prometheus, Addon::Consul, Addon::Redis], ..Provision::default() };
        assert_eq!(provision.removable(false), [Addon::Grafana, Addon::Prometheus]);
        assert_eq!(provision.removable(true), provision.surplus);
    }

    /// An addon in a phase.
    pub(in crate::reconcile) fn progressed(addon: Addon, phase: AddonPhase, complaint: Option<Complaint>) -> AddonProgress {
        let status = AddonStatus {
            phase,
            message: complaint.as_ref().map(|complaint| complaint.message.clone()),
            ..addon_status::of(addon, AddonMode::Managed)
        };
        AddonProgress { addon, status, complaint, drifted: Vec::new() }
    }
}
