//! Says what the end of a resource waits for: in conditions at once, in an Event when it takes longer than it should.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::api::Patch;
use kube::runtime::events::EventType;
use serde_json::json;
use user_info_api::crd::UserInfoDeploymentStatus;

use crate::condition::ConditionType;
use crate::context::Context;
use crate::error::Error;
use crate::memory::Record;
use crate::names::{ABANDON_RELEASES, Owner};
use crate::reason::Reason;
use crate::reconcile::provision::remove::Wait;
use crate::reconcile::status::condition;
use crate::reconcile::{events, pace, unreadable};
use crate::resource::Watched;
use crate::writes;

/// An end that takes no longer is worth no Event.
const USUAL: Duration = Duration::from_secs(10);
/// After this, the way out is named.
const LONG: Duration = Duration::from_secs(300);
/// Longest time between two looks: that pods have ended is not watched.
const RARE: Duration = Duration::from_secs(30);
/// Objects that are named at the most.
const MOST: usize = 8;

/// Says what the end of a resource waits for. Returns when to look again.
pub(super) async fn tell(watched: &Watched, wait: &Wait, record: &mut Record, context: &Context) -> Result<Duration, Error> {
    let meta = watched.meta();
    let since = since(meta, Timestamp::now());
    let message = message(wait, since);
    let before = unreadable::status(watched, context).await?;
    let after = conditions(&before, wait, &message, meta.generation, Timestamp::now());
    if after != before.conditions {
        write(meta, &after, context).await?;
        record.looks = 0;
    }
    let told = record.told.replace(Reason::Removing);
    if told != Some(Reason::Removing) {
        context.metrics.state(told, Some(Reason::Removing));
    }
    if (since > USUAL || wait.complaint.is_some()) && record.waits.as_ref() != Some(&message) {
        let (type_, reason) = match &wait.complaint {
            Some(complaint) => (EventType::Warning, complaint.reason),
            None => (EventType::Normal, Reason::Removing),
        };
        // Events that differ in their note alone are taken for one, with the first note.
        let action = if wait.what.iter().any(|what| what.starts_with("Helm")) { "Uninstall" } else { "Finalize" };
        events::event(&watched.object_ref(&()), type_, reason, action, message.clone(), context).await;
        record.waits = Some(message);
    }
    record.looks += 1;
    Ok(wait.again.max(pace::next_look(record.looks).min(RARE)))
}

/// For how long the resource has been ending.
fn since(meta: &ObjectMeta, now: Timestamp) -> Duration {
    let deleted = meta.deletion_timestamp.as_ref();
    deleted.and_then(|then| Duration::try_from(now.duration_since(then.0)).ok()).unwrap_or_default()
}

fn message(wait: &Wait, since: Duration) -> String {
    let mut text = format!("waits for the end of {}", wait.what.iter().take(MOST).cloned().collect::<Vec<_>>().join(", "));
    if let Some(more) = wait.what.len().checked_sub(MOST).filter(|more| *more > 0) {
        text += &format!(" and {more} more");
    }
    if let Some(complaint) = &wait.complaint {
        text += &format!(": {}", complaint.message);
    }
    if wait.complaint.is_some() || since > LONG {
        text += &format!("; the annotation {ABANDON_RELEASES}=true lets the resource go without them");
    }
    text
}

/// The conditions, with those changed that speak of the end.
fn conditions(before: &UserInfoDeploymentStatus, wait: &Wait, message: &str, generation: Option<i64>, now: Timestamp) -> Vec<Condition> {
    let ready = (false, Reason::Removing, message.to_owned());
    let progressing = (true, Reason::Removing, message.to_owned());
    let degraded = wait.complaint.as_ref().map(|complaint| (true, complaint.reason, message.to_owned()));
    let mut all = before.conditions.clone();
    for (kind, verdict) in
        [(ConditionType::Ready, Some(ready)), (ConditionType::Progressing, Some(progressing)), (ConditionType::Degraded, degraded)]
    {
        let Some((holds, reason, message)) = verdict else { continue };
        let new = condition(before, kind, holds, reason, message, generation, now);
        match all.iter_mut().find(|condition| condition.type_ == kind.name()) {
            Some(old) => *old = new,
            None => all.push(new),
        }
    }
    all
}

/// Writes the conditions alone: the rest of an unreadable resource cannot be applied.
async fn write(meta: &ObjectMeta, conditions: &[Condition], context: &Context) -> Result<(), Error> {
    let owner = Owner::of(meta);
    let patch = json!({"metadata": {"uid": meta.uid}, "status": {"conditions": conditions}});
    match unreadable::api(&owner, context).patch_status(&owner.name, &writes::merge(), &Patch::Merge(&patch)).await {
        Ok(_) => {
            context.metrics.writes.with_label_values(&["UserInfoDeployment", "status"]).inc();
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::helm::complaint::Complaint;

    fn wait(count: usize, complaint: Option<&str>) -> Wait {
        let complaint = complaint.map(|message| Complaint { reason: Reason::HelmTimeout, message: message.to_owned() });
        Wait { what: (0..count).map(|n| format!("Pod p{n}")).collect(), complaint, again: Duration::ZERO }
    }

    #[test]
    fn what_is_waited_for_is_named_and_later_the_way_out() {
        assert_eq!(message(&wait(2, None), USUAL), "waits for the end of Pod p0, Pod p1");
        let long = message(&wait(MOST + 3, None), LONG * 2);
        assert!(long.contains("Pod p7 and 3 more; the annotation userinfo.bbs.dev/abandon-releases=true"), "{long}");
        let failing = message(&wait(1, Some("too slow")), USUAL);
        assert!(failing.starts_with("waits for the end of Pod p0: too slow; the annotation "), "{failing}");
    }

    #[test]
    fn the_other_conditions_and_times_stay() {
        let now = Timestamp::from_second(1_000).expect("in range");
        let older = UserInfoDeploymentStatus {
            conditions: [(ConditionType::Ready, true), (ConditionType::Paused, false)]
                .map(|(kind, holds)| {
                    condition(&UserInfoDeploymentStatus::default(), kind, holds, Reason::Unknown, String::new(), Some(1), now)
                })
                .into(),
            ..UserInfoDeploymentStatus::default()
        };
        let first = conditions(&older, &wait(1, None), "m", Some(2), now);
        let told: Vec<_> = first.iter().map(|one| (one.type_.as_str(), one.status.as_str(), one.reason.as_str())).collect();
        assert_eq!(told, [("Ready", "False", "Removing"), ("Paused", "False", "Unknown"), ("Progressing", "True", "Removing")]);
        let status = UserInfoDeploymentStatus { conditions: first.clone(), ..UserInfoDeploymentStatus::default() };
        let later = Timestamp::from_second(2_000).expect("in range");
        assert_eq!(conditions(&status, &wait(1, None), "m", Some(2), later), first, "nothing is written");
    }
}
