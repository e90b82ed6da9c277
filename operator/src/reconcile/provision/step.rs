//! One addon's part of a reconcile.

use std::time::Duration;

use kube::Resource;
use kube::runtime::events::EventType;
use tokio::time::Instant;
use user_info_api::crd::{ChartSource, DriftDetection, UserInfoDeployment};

use super::account::{self, Account};
use super::{Memory, Wanted, legacy, outside, releases};
use crate::context::Context;
use crate::error::Error;
use crate::helm::addon::Addon;
use crate::helm::command::{self, Verb};
use crate::helm::complaint::Complaint;
use crate::helm::desired::Desired;
use crate::helm::plan::{Action, Standing, plan};
use crate::helm::revision::{Revision, Status};
use crate::helm::runner::Task;
use crate::helm::{SLACK, drift};
use crate::kind::Kind;
use crate::names::Owner;
use crate::namespace;
use crate::reconcile::{pace, report};

/// Least time between two repairs of one release: whoever else writes its objects is not to be fought with.
const BETWEEN_REPAIRS: Duration = Duration::from_secs(30);
/// How soon it is looked again for what someone has to mend elsewhere: nothing tells of the cure.
const LOOK_FOR_CURE: Duration = Duration::from_secs(5);

/// One addon's part of a reconcile.
pub(super) struct Step<'a> {
    pub(super) resource: &'a UserInfoDeployment,
    pub(super) owner: &'a Owner,
    pub(super) addon: Addon,
    /// Revisions of its release, oldest first.
    pub(super) history: &'a [Revision],
    pub(super) wanted: &'a Wanted,
    /// What Helm is doing.
    pub(super) running: Option<Verb>,
    pub(super) memory: &'a mut Memory,
    pub(super) context: &'a Context,
    /// When to look again.
    pub(super) again: Option<Duration>,
}

impl<'a> Step<'a> {
    pub(super) fn desired(&self) -> Option<&'a Desired> {
        self.wanted.desired.get(&self.addon)
    }

    /// Whether the newest revision is the resource's, and what is wanted.
    pub(super) fn stands(&self) -> bool {
        let newest = self.history.last();
        newest
            .filter(|newest| newest.owner.as_ref() == Some(&self.owner.name))
            .is_some_and(|newest| newest.status == Status::Deployed && newest.digest.as_deref() == Some(self.wanted.digest(self.addon)))
    }

    /// Begins what is to be done about the release.
    pub(super) async fn converge(&mut self, drifted: &[String]) -> Result<(), Error> {
        let unchanged = self.memory.unchanged(self.history);
        if self.running.is_some() || self.resource.spec.operation.paused {
            return Ok(());
        }
        let Some(desired) = self.desired() else {
            if let Some(missing) = self.wanted.complaints.get(&self.addon) {
                self.complain(missing.clone()).await;
            }
            return Ok(());
        };
        let meddled = self.resource.spec.drift_detection == DriftDetection::Correct && !drifted.is_empty();
        let rest = self.memory.repaired.and_then(|then| BETWEEN_REPAIRS.checked_sub(then.elapsed()));
        if meddled && rest.is_some() {
            self.again = pace::sooner(self.again, rest);
        }
        let standing = Standing { history: self.history, unchanged, drifted: meddled && rest.is_none() };
        let (namespace, release) = (self.owner.namespace.clone(), self.addon.release(&self.owner.name));
        let (verb, calls) = match plan(&self.owner.name, Some(&desired.digest), standing) {
            Action::Nothing => {
                self.memory.succeeded();
                return Ok(());
            }
            Action::Wait(left) => {
                self.again = pace::sooner(self.again, Some(left));
                return Ok(());
            }
            Action::Foreign => {
                let message =
                    format!("a Helm release {release} of someone else stands in its place; uninstall that, or set mode: External");
                self.complain(Complaint { reason: "ReleaseForeign", message }).await;
                return Ok(());
            }
            Action::Unlock(secret) => {
                if self.has_account().await? {
                    self.again = Some(Duration::ZERO);
                    releases::unlock(self.owner, &secret, self.context).await?;
                }
                return Ok(());
            }
            Action::Install => (Verb::Install, command::upgrade(&self.owner.name, &namespace, desired)),
            Action::Upgrade => (Verb::Upgrade, command::upgrade(&self.owner.name, &namespace, desired)),
            Action::Repair(revision) => (Verb::Repair, command::repair(&release, &namespace, revision, desired.timeout)),
            Action::Uninstall => (Verb::Uninstall, command::uninstall(&release, &namespace, desired.timeout, true)),
        };
        let pause = self.memory.again.map(|again| again.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero());
        if pause.is_some() {
            self.again = pace::sooner(self.again, pause);
            return Ok(());
        }
        // In a namespace that goes Helm could make nothing any more, and what it did not find would be called drift.
        if namespace::terminating(&self.context.client, &namespace).await? || !self.has_account().await? {
            return Ok(());
        }
        if verb == Verb::Repair {
            self.memory.repaired = Some(Instant::now());
            let note = format!("changed by someone else and changed back: {}", drifted.join(", "));
            report::event(&self.resource.object_ref(&()), EventType::Normal, "DriftCorrected", "Helm", note, self.context).await;
            self.context.metrics.drift.inc_by(drifted.len() as u64);
        }
        let task = Task { key: (namespace, release), owner: self.owner.name.clone(), verb, calls, limit: desired.timeout + SLACK };
        self.context.runner.begin(task);
        self.running = Some(verb);
        Ok(())
    }

    /// Whether there is someone as whom Helm can be called; if not, that is told.
    async fn has_account(&mut self) -> Result<bool, Error> {
        match account::ready(&self.owner.namespace, self.context).await? {
            Account::Ready => return Ok(true),
            Account::Soon(left) => self.again = pace::sooner(self.again, Some(left)),
            Account::Lacking(lack) => self.complain(lack).await,
        }
        Ok(false)
    }

    /// Takes note of what keeps the release from being begun, once.
    async fn complain(&mut self, complaint: Complaint) {
        // That charts from elsewhere are off only another operator can change, which begins by looking at everything.
        let elsewhere = self.addon.settings(&self.resource.spec).chart.source != ChartSource::Embedded;
        let cure = (!elsewhere || self.context.helm.foreign).then_some(LOOK_FOR_CURE);
        if self.memory.complaint.as_ref() != Some(&complaint) {
            failed(self.resource, self.addon, self.memory, complaint, self.context).await;
        }
        self.again = pace::sooner(self.again, cure);
    }

    /// The objects that are not as the newest revision left them. What the index shows is confirmed, for it may lag behind.
    pub(super) async fn drifted(&self) -> Result<Vec<String>, Error> {
        let baseline = self.history.last().and_then(|newest| newest.baseline.as_ref()).filter(|_| self.running.is_none());
        let Some(baseline) = baseline.filter(|_| self.resource.spec.drift_detection != DriftDetection::Disabled) else {
            return Ok(Vec::new());
        };
        let seen = self.context.released.of(self.owner);
        if drift::changed(baseline, &drift::marks(&seen, self.addon)).is_empty() {
            return Ok(Vec::new());
        }
        Ok(drift::changed(baseline, &releases::marks(self.owner, self.addon, self.context).await?))
    }

    /// Writes down how the newest revision left its objects, once.
    pub(super) async fn write_baseline(&self) -> Result<(), Error> {
        let Some(newest) = self.history.last().filter(|newest| newest.baseline.is_none()) else { return Ok(()) };
        if self.running.is_some() || !self.stands() || self.resource.spec.operation.paused {
            return Ok(());
        }
        if account::ready(&self.owner.namespace, self.context).await? != Account::Ready {
            return Ok(());
        }
        let marks = releases::marks(self.owner, self.addon, self.context).await?;
        releases::annotate(self.owner, &newest.secret, &drift::write(&marks), self.context).await
    }

    /// Reads name and version of the chart that the newest revision was made from, and what it has outside of the namespace, once.
    pub(super) async fn read_chart(&mut self) -> Result<(), Error> {
        let Some(newest) = self.history.last() else {
            (self.memory.chart, self.memory.outside) = (None, Vec::new());
            return Ok(());
        };
        if self.memory.chart.as_ref().is_none_or(|(secret, _)| *secret != newest.secret) {
            let Some(payload) = releases::payload(&self.context.client, self.owner, &newest.secret).await? else {
                (self.memory.chart, self.memory.grants) = (None, false);
                return Ok(());
            };
            self.memory.grants = payload.grants();
            self.memory.outside = outside::outside(&self.context.client, &self.owner.namespace, &payload.manifest).await?;
            self.memory.chart = Some((newest.secret.clone(), (payload.chart.metadata.name, payload.chart.metadata.version)));
        }
        Ok(())
    }

    /// Once Prometheus stands without the Role that version 0.1.0 had its chart make, and has the operator's binding if it needs it, removes that
    /// Role, once.
    pub(super) async fn clear_legacy(&mut self) -> Result<(), Error> {
        let upgraded = self.history.last().is_some_and(|newest| newest.number > 1) && self.running.is_none() && self.stands();
        let due = self.addon == Addon::Prometheus && upgraded && !self.memory.grants && !self.memory.cleared;
        if !due || self.resource.spec.operation.paused {
            return Ok(());
        }
        let bound = || self.context.children.of(self.owner).keys().any(|(kind, _)| *kind == Kind::RoleBinding);
        if !self.wanted.managed.watches_pods || bound() {
            legacy::clear(self.owner, self.context).await?;
            self.memory.cleared = true;
        }
        Ok(())
    }
}

/// Takes note of a failure, and tells of it if it is another than before.
pub(super) async fn failed(resource: &UserInfoDeployment, addon: Addon, memory: &mut Memory, complaint: Complaint, context: &Context) {
    memory.failures += 1;
    memory.again = Some(Instant::now() + pace::after_failed_release(memory.failures));
    context.metrics.addon_failures.with_label_values(&[addon.name(), complaint.reason]).inc();
    if memory.complaint.as_ref() != Some(&complaint) {
        let note = format!("{}: {}", addon.name(), complaint.message);
        report::event(&resource.object_ref(&()), EventType::Warning, complaint.reason, "Helm", note, context).await;
    }
    memory.complaint = Some(complaint);
}
