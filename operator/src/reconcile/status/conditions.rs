//! The conditions, and the sentence that says why a resource is not ready.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;
use user_info_api::crd::{AddonMode, AddonPhase, UserInfoDeploymentStatus};

use super::View;
use crate::condition::ConditionType;
use crate::helm::complaint::Complaint;
use crate::memory::Confirmation;
use crate::reason::{Class, Reason};
use crate::reconcile::faults::whole_seconds;
use crate::reconcile::observe::Observed;
use crate::reconcile::provision::{AddonProgress, STALLED};

/// Whether something holds, why, and a sentence about it.
type Judgement = (bool, Reason, String);

/// All conditions.
pub(super) fn conditions(view: &View<'_>, before: &UserInfoDeploymentStatus) -> Vec<Condition> {
    let judge = |kind: ConditionType| match kind {
        ConditionType::Ready => ready(view),
        ConditionType::Available => available(view),
        ConditionType::Progressing => progressing(view),
        ConditionType::Degraded => degraded(view),
        ConditionType::AddonsReady => addons(view),
        ConditionType::Paused => paused(view),
        ConditionType::Stalled => stalled(view),
    };
    ConditionType::ALL
        .map(|kind| {
            let (holds, reason, message) = judge(kind);
            condition(before, kind, holds, reason, message, view.resource.metadata.generation, view.now)
        })
        .into()
}

/// A condition; the time of its last change is kept as long as it holds, or does not, as before.
pub(in crate::reconcile) fn condition(
    before: &UserInfoDeploymentStatus,
    kind: ConditionType,
    holds: bool,
    reason: Reason,
    message: String,
    generation: Option<i64>,
    now: Timestamp,
) -> Condition {
    let status = if holds { "True" } else { "False" };
    let same = before.conditions.iter().find(|condition| condition.type_ == kind.name() && condition.status == status);
    Condition {
        type_: kind.name().to_owned(),
        status: status.to_owned(),
        reason: reason.name().to_owned(),
        message,
        observed_generation: generation,
        last_transition_time: same.map_or_else(|| Time(whole_seconds(now)), |same| same.last_transition_time.clone()),
    }
}

fn ready(view: &View<'_>) -> Judgement {
    if let Some(failure) = view.failure {
        return (false, failure.reason(), failure.to_string());
    }
    if view.resource.spec.operation.stopped {
        return (false, Reason::Stopped, "stopped by spec.operation.stopped".to_owned());
    }
    let Some(server) = &view.server else {
        return match view.held {
            Some(held) => (false, Reason::Waiting, held.to_owned()),
            None => (false, Reason::Creating, "nothing runs yet".to_owned()),
        };
    };
    if !server.workload.up() {
        return short(server, "instance", Reason::InstancesNotReady);
    }
    if view.server_confirmed.given_up {
        return unconfirmed(&view.server_confirmed, "instances");
    }
    if let Some(client) = view.client.as_ref().filter(|client| !client.workload.up()) {
        return short(client, "client", Reason::ClientsNotReady);
    }
    if view.client_confirmed.given_up {
        return unconfirmed(&view.client_confirmed, "clients");
    }
    (true, Reason::Ready, format!("{} ready", count(server.workload.ready, "instance")))
}

/// Fewer pods than there are to be, and why.
fn short(observed: &Observed, what: &str, reason: Reason) -> Judgement {
    let workload = &observed.workload;
    let numbers = format!("{} of {} ready", workload.ready, count(workload.desired, what));
    match &observed.trouble {
        Some(trouble) => (false, trouble.reason, format!("{numbers}: {}", trouble.message)),
        None => (false, reason, numbers),
    }
}

fn unconfirmed(confirmed: &Confirmation, what: &str) -> Judgement {
    let problem = confirmed.problem.as_deref().unwrap_or("no answer");
    let message = format!("{} of {} {what} have the settings in force; {problem}", confirmed.confirmed, confirmed.pods);
    (false, Reason::SettingsNotConfirmed, message)
}

fn available(view: &View<'_>) -> Judgement {
    let available = view.server.as_ref().map_or(0, |server| server.workload.available);
    match available {
        0 => (false, Reason::NoInstance, "no instance takes calls".to_owned()),
        n => (true, Reason::InstancesAvailable, format!("{} calls", takes(n))),
    }
}

fn progressing(view: &View<'_>) -> Judgement {
    if view.failure.is_some() {
        return (false, Reason::Failed, "waits for what Degraded tells of".to_owned());
    }
    let rolling = |observed: &Option<Observed>| observed.as_ref().is_some_and(|observed| !observed.workload.settled());
    if view.server.is_none() && view.plan.is_some() || rolling(&view.server) || rolling(&view.client) {
        return (true, Reason::RollingOut, "pods are being started or replaced".to_owned());
    }
    if let Some(held) = view.held {
        return (true, Reason::Waiting, held.to_owned());
    }
    let working = |one: &&AddonProgress| {
        matches!(one.status.phase, AddonPhase::Pending | AddonPhase::Progressing | AddonPhase::Removing) && one.complaint.is_none()
    };
    if let Some(one) = progressed(view).iter().find(working) {
        return (true, Reason::Provisioning, said(one));
    }
    if view.server_confirmed.pending() || view.client_confirmed.pending() {
        return (true, Reason::Reloading, "pods are putting new settings in force".to_owned());
    }
    (false, Reason::Settled, "nothing is left to do".to_owned())
}

fn degraded(view: &View<'_>) -> Judgement {
    if let Some(failure) = view.failure {
        return (true, failure.reason(), failure.to_string());
    }
    let trouble = |observed: &Option<Observed>| observed.as_ref().and_then(|observed| observed.trouble.clone());
    if let Some(trouble) = trouble(&view.server).or_else(|| trouble(&view.client)) {
        return (true, trouble.reason, trouble.message);
    }
    for (confirmed, what) in [(&view.server_confirmed, "instances"), (&view.client_confirmed, "clients")] {
        if confirmed.given_up {
            let (_, reason, message) = unconfirmed(confirmed, what);
            return (true, reason, message);
        }
    }
    if let Some((one, complaint)) = complaints(view).next() {
        return (true, complaint.reason, format!("{}: {}", one.addon.name(), complaint.message));
    }
    let drifted: Vec<_> = view.drifted.iter().chain(progressed(view).iter().flat_map(|one| &one.drifted)).map(String::as_str).collect();
    if !drifted.is_empty() {
        return (true, Reason::Drifted, format!("changed by someone else and left so: {}", drifted.join(", ")));
    }
    (false, Reason::AsExpected, "nothing is wrong".to_owned())
}

fn addons(view: &View<'_>) -> Judgement {
    let unready = |one: &&AddonProgress| one.status.mode == AddonMode::Managed && one.status.phase != AddonPhase::Ready;
    let missing: Vec<_> = progressed(view).iter().filter(unready).collect();
    if view.provision.is_none() {
        return (false, Reason::Unknown, "the releases could not be looked at".to_owned());
    }
    if missing.is_empty() {
        return (true, Reason::AddonsReady, "every addon is up, or wanted from elsewhere".to_owned());
    }
    let reason = missing.iter().find_map(|one| one.complaint.as_ref()).map_or(Reason::AddonsNotReady, |complaint| complaint.reason);
    (false, reason, missing.into_iter().map(said).collect::<Vec<_>>().join("; "))
}

fn progressed<'a>(view: &View<'a>) -> &'a [AddonProgress] {
    view.provision.map_or(&[], |provision| &provision.addons)
}

fn complaints<'a>(view: &View<'a>) -> impl Iterator<Item = (&'a AddonProgress, &'a Complaint)> {
    progressed(view).iter().filter_map(|one| Some((one, one.complaint.as_ref()?)))
}

/// How far an addon is, in words.
fn said(one: &AddonProgress) -> String {
    format!("{}: {}", one.addon.name(), one.status.message.as_deref().unwrap_or("not ready"))
}

fn paused(view: &View<'_>) -> Judgement {
    if view.resource.spec.operation.paused {
        (true, Reason::Paused, "changes wait for spec.operation.paused: false".to_owned())
    } else {
        (false, Reason::NotPaused, "changes are carried out".to_owned())
    }
}

fn stalled(view: &View<'_>) -> Judgement {
    match view.failure {
        Some(failure) if failure.class() == Class::Permanent => (true, failure.reason(), failure.to_string()),
        _ if let Some((one, complaint)) = complaints(view).find(|(one, _)| one.status.failures >= STALLED) => {
            let tries = one.status.failures;
            (true, complaint.reason, format!("{} failed {tries} times in a row: {}", one.addon.name(), complaint.message))
        }
        _ => (false, Reason::NotStalled, "nothing waits for a change of the spec".to_owned()),
    }
}

fn count(n: i32, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

fn takes(n: i32) -> String {
    if n == 1 { "1 instance takes".to_owned() } else { format!("{n} instances take") }
}
