//! What the status says of an addon: pure functions.

use user_info_api::crd::{AddonMode, AddonPhase, AddonStatus, UserInfoDeployment};

use super::AddonProgress;
use super::step::Step;
use crate::addons::Addon;
use crate::helm::command::Verb;
use crate::helm::complaint::Complaint;
use crate::memory::AddonRecord;
use crate::reconcile::observe::Observed;

/// An addon that is installed, or to be.
pub(super) fn managed(step: &Step<'_>, observed: &Observed) -> AddonProgress {
    let newest = step.history.last();
    let chart = step.known.chart.as_ref().map(|(_, chart)| chart.clone());
    let complaint = step.known.complaint.clone().or_else(|| trouble(observed));
    let (phase, message) = phase(step, observed, complaint.as_ref());
    let status = AddonStatus {
        release: Some(step.addon.release(&step.owner.name)),
        revision: newest.map(|newest| newest.number.into()),
        chart: chart.as_ref().map(|(name, _)| name.clone()),
        version: chart.map(|(_, version)| version),
        digest: newest.and_then(|newest| newest.digest.clone()),
        phase,
        failures: i32::try_from(step.known.failures).unwrap_or(i32::MAX),
        endpoint: step.wanted.values.get(&step.addon).map(|values| step.addon.endpoint(&step.owner.name, values)),
        message,
        // Where Helm's record is gone, as in a namespace that is being deleted, what it told of still stands.
        outside: if newest.is_some() { step.known.outside.clone() } else { outside_before(step.resource, step.addon) },
        ..of(step.addon, AddonMode::Managed)
    };
    AddonProgress { addon: step.addon, status, complaint, drifted: Vec::new() }
}

/// What the status says that the addon has outside of the namespace.
fn outside_before(resource: &UserInfoDeployment, addon: Addon) -> Vec<String> {
    let addons = resource.status.iter().flat_map(|status| &status.addons);
    addons.filter(|before| before.name == addon.name()).flat_map(|before| before.outside.clone()).collect()
}

fn trouble(observed: &Observed) -> Option<Complaint> {
    observed.trouble.clone().map(|trouble| Complaint { reason: trouble.reason, message: trouble.message })
}

fn phase(step: &Step<'_>, observed: &Observed, complaint: Option<&Complaint>) -> (AddonPhase, Option<String>) {
    let words = |verb: Verb| match verb {
        Verb::Install => "helm installs it",
        Verb::Upgrade => "helm upgrades it",
        Verb::Repair => "helm puts its objects back",
        Verb::Uninstall => "helm removes what was left of it",
    };
    let failing = step.known.complaint.is_some();
    let workload = &observed.workload;
    let numbers = if workload.up() {
        format!("{} of {} pods up to date and available", workload.updated.min(workload.available), workload.desired)
    } else {
        format!("{} of {} pods ready", workload.ready, workload.desired)
    };
    match (step.running, complaint) {
        (_, Some(complaint)) if failing => (AddonPhase::Failed, Some(complaint.message.clone())),
        (Some(verb), _) => (AddonPhase::Progressing, Some(words(verb).to_owned())),
        (None, _) if !step.stands() => (AddonPhase::Pending, Some("not installed as it is wanted yet".to_owned())),
        (None, Some(complaint)) => (AddonPhase::Progressing, Some(format!("{numbers}: {}", complaint.message))),
        (None, None) if !workload.settled() => (AddonPhase::Progressing, Some(numbers)),
        (None, None) => (AddonPhase::Ready, None),
    }
}

/// An addon that is someone else's, or a release that is to go, with what is remembered of that.
pub(super) fn unmanaged(resource: &UserInfoDeployment, addon: Addon, removing: Option<&AddonRecord>) -> Option<AddonProgress> {
    let spec = &resource.spec;
    let mode = addon.mode(spec);
    if mode == AddonMode::Disabled && removing.is_none() {
        return None;
    }
    let owner = resource.metadata.name.as_deref().unwrap_or_default();
    let complaint = removing.and_then(|known| known.complaint.as_ref());
    let status = AddonStatus {
        outside: removing.map(|_| outside_before(resource, addon)).unwrap_or_default(),
        endpoint: addon.external(spec),
        release: removing.map(|_| addon.release(owner)),
        phase: removing.map_or(AddonPhase::Ready, |_| AddonPhase::Removing),
        message: removing.map(|_| match complaint {
            Some(complaint) => complaint.message.clone(),
            None if addon.serves_calls() => "goes when the services no longer use it".to_owned(),
            None => "is being removed".to_owned(),
        }),
        failures: removing.map_or(0, |known| i32::try_from(known.failures).unwrap_or(i32::MAX)),
        ..of(addon, mode)
    };
    Some(AddonProgress { addon, status, complaint: complaint.cloned(), drifted: Vec::new() })
}

pub(super) fn of(addon: Addon, mode: AddonMode) -> AddonStatus {
    AddonStatus {
        name: addon.name().to_owned(),
        mode,
        release: None,
        revision: None,
        chart: None,
        version: None,
        digest: None,
        phase: AddonPhase::default(),
        failures: 0,
        endpoint: None,
        message: None,
        outside: Vec::new(),
    }
}
