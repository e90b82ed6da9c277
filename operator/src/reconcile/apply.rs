//! Brings the cluster to what was built: what is missing is created, what is changed or has drifted applied, what is no longer wanted removed.
//! What belongs to someone else is left alone.

mod claim;
mod hand_over;
mod look;
mod take_over;
mod verdict;

use std::collections::BTreeSet;

use kube::api::{DeleteParams, Patch, Preconditions};
use user_info_api::crd::DriftDetection;

use self::claim::Claimed;
pub(super) use self::look::look;
use self::verdict::{Verdict, verdict};
use super::build::{Child, Plan, migration};
use crate::children::Seen;
use crate::context::Context;
use crate::error::Error;
use crate::kind::Kind;
use crate::memory::Record;
use crate::names::{Component, OPERATOR};
use crate::writes;

/// What was done.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ApplyOutcome {
    /// Whether anything was written.
    pub changed: bool,
    /// What someone else had changed and was changed back, as `Kind name`.
    pub corrected: Vec<String>,
    /// What someone else has changed and was left so.
    pub drifted: Vec<String>,
    /// What the newest pods have to wait for.
    pub waiting: Option<String>,
}

/// Applies `children`, and removes the others that the resource owns.
///
/// Nothing is written where the index shows that an object stands as it was last applied.
pub async fn apply(plan: &Plan, children: &[Child], record: &mut Record, context: &Context) -> Result<ApplyOutcome, Error> {
    let owner = &plan.owner;
    let seen = context.children.of(owner);
    let drift = plan.resource.spec.drift_detection;
    let mut outcome = ApplyOutcome::default();
    for child in children {
        let key = (child.kind, child.name.clone());
        let seen = seen.get(&key);
        let verdict = verdict(child, seen, record.fingerprints.get(&key).copied(), drift);
        let title = || format!("{} {}", child.kind.name(), child.name);
        match verdict {
            Verdict::Keep => {
                if let Some(seen) = seen {
                    record.fingerprints.entry(key).or_insert(seen.fingerprint);
                }
                continue;
            }
            Verdict::Wait => continue,
            Verdict::Tell => {
                outcome.drifted.push(title());
                continue;
            }
            Verdict::Correct => outcome.corrected.push(title()),
            Verdict::Apply => {}
        }
        if child.kind == Kind::Deployment && child.name == owner.object(Component::Server) {
            outcome.waiting = migration::unfinished(plan, children, context).await?;
            if outcome.waiting.is_some() {
                continue;
            }
        }
        let fingerprint = match write(plan, child, seen, context).await {
            Err(Error::Foreign { owner, mut objects }) => {
                // All that stand in the way are told at once.
                let after = children.iter().skip_while(|other| *other != child).skip(1);
                objects.extend(claim::foreign(&plan.owner, after, context).await?);
                return Err(Error::Foreign { owner, objects });
            }
            written => written?,
        };
        record.fingerprints.insert(key, fingerprint);
        outcome.changed = true;
    }
    let wanted: BTreeSet<_> = children.iter().map(|child| (child.kind, child.name.clone())).collect();
    for ((kind, name), seen) in seen.iter().filter(|(key, seen)| !wanted.contains(*key) && !seen.terminating) {
        if *kind == Kind::Job && migration::undecided(plan) {
            continue;
        }
        remove(&owner.namespace, *kind, name, seen, context).await?;
        record.fingerprints.remove(&(*kind, name.clone()));
        outcome.changed = true;
    }
    context.metrics.drift.inc_by(outcome.corrected.len() as u64);
    Ok(outcome)
}

/// Applies one object, and makes it before if it is missing. Returns its fingerprint.
async fn write(plan: &Plan, child: &Child, seen: Option<&Seen>, context: &Context) -> Result<u64, Error> {
    let api = child.kind.api(&context.client, &plan.owner.namespace);
    let claimed = match seen {
        Some(seen) => Claimed { uid: seen.uid.clone(), stood: true },
        None => claim::claim(&api, &plan.owner, child, context).await?,
    };
    if child.kind == Kind::Deployment && claimed.stood {
        hand_over::replicas(plan, child, context).await?;
    }
    // With the uid, one that has taken its name since is not changed.
    let mut manifest = child.manifest.clone();
    manifest["metadata"]["uid"] = claimed.uid.as_str().into();
    let send = || async { api.patch(&child.name, &writes::apply(), &Patch::Apply(&manifest)).await };
    let answer = match send().await {
        Err(kube::Error::Api(status)) if status.is_invalid() && take_over::fields(&api, &child.name, &claimed.uid).await? => send().await,
        answer => answer,
    };
    let refused = |source: kube::Error| Error::Apply { kind: child.kind, name: child.name.clone(), source: source.into() };
    let object = answer.map_err(refused)?;
    context.metrics.writes.with_label_values(&[child.kind.name(), "apply"]).inc();
    tracing::info!(kind = child.kind.name(), name = child.name, "applied");
    let metadata = claim::settle(&api, child, object.metadata, context).await?;
    context.children.note(child.kind, &metadata);
    Ok(Seen::of(&metadata, OPERATOR).map_or(0, |seen| seen.fingerprint))
}

/// Removes the object that was seen, not one that has taken its name since.
pub(super) async fn remove(namespace: &str, kind: Kind, name: &str, seen: &Seen, context: &Context) -> Result<(), Error> {
    let same = Preconditions { uid: Some(seen.uid.clone()), resource_version: None };
    // A Deployment goes after its pods, so that who waits for it waits for them.
    let how = if kind == Kind::Deployment { DeleteParams::foreground() } else { DeleteParams::background() };
    match kind.api(&context.client, namespace).delete(name, &how.preconditions(same)).await {
        Ok(_) => {
            context.metrics.writes.with_label_values(&[kind.name(), "delete"]).inc();
            tracing::info!(kind = kind.name(), name, "removed");
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => Ok(()),
        Err(source) => Err(Error::Apply { kind, name: name.to_owned(), source: source.into() }),
    }
}

/// Whether what someone else changes is changed back.
const fn corrects(drift: DriftDetection) -> bool {
    matches!(drift, DriftDetection::Correct)
}
