//! One addon's part of a reconcile.

use std::time::Duration;

use kube::Resource;
use kube::runtime::events::EventType;
use tokio::time::Instant;
use user_info_api::crd::{ChartSource, DriftDetection, UserInfoDeployment};

use super::account::{self, Account};
use super::{Wanted, legacy, outside, releases};
use crate::addons::Addon;
use crate::context::Context;
use crate::error::Error;
use crate::helm::command::{self, Call, Verb};
use crate::helm::complaint::Complaint;
use crate::helm::desired::Desired;
use crate::helm::plan::{Action, Standing, plan};
use crate::helm::revision::{Revision, Status};
use crate::helm::runner::Task;
use crate::helm::{SLACK, drift};
use crate::kind::Kind;
use crate::memory::AddonRecord;
use crate::names::Owner;
use crate::namespace;
use crate::reason::Reason;
use crate::reconcile::{events, pace};

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
    pub(super) known: &'a mut AddonRecord,
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
        let unchanged = self.known.unchanged(self.history);
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
        let rest = self.known.repaired.and_then(|then| BETWEEN_REPAIRS.checked_sub(then.elapsed()));
        if meddled && rest.is_some() {
            self.again = pace::sooner(self.again, rest);
        }
        let standing = Standing { history: self.history, unchanged, drifted: meddled && rest.is_none() };
        let (owner, namespace, release) = (&self.owner.name, &self.owner.namespace, self.addon.release(&self.owner.name));
        let (verb, calls) = match plan(owner, Some(&desired.digest), standing) {
            Action::Nothing => {
                self.known.succeeded();
                return Ok(());
            }
            Action::Wait(left) => {
                self.again = pace::sooner(self.again, Some(left));
                return Ok(());
            }
            Action::Foreign => {
                let message =
                    format!("a Helm release {release} of someone else stands in its place; uninstall that, or set mode: External");
                self.complain(Complaint { reason: Reason::ReleaseForeign, message }).await;
                return Ok(());
            }
            Action::Unlock(secret) => {
                if self.has_account().await? {
                    self.again = Some(Duration::ZERO);
                    releases::unlock(self.owner, &secret, self.context).await?;
                }
                return Ok(());
            }
            Action::Install => (Verb::Install, command::upgrade(owner, namespace, desired)),
            Action::Upgrade => (Verb::Upgrade, command::upgrade(owner, namespace, desired)),
            Action::Repair(revision) => (Verb::Repair, command::repair(&release, namespace, revision, desired.timeout)),
            Action::Uninstall => (Verb::Uninstall, command::uninstall(&release, namespace, desired.timeout, true)),
        };
        self.begin(verb, calls, desired.timeout, drifted).await
    }

    /// Begins Helm, unless it failed just before, has no account, or could make nothing.
    async fn begin(&mut self, verb: Verb, calls: Vec<Call>, timeout: Duration, drifted: &[String]) -> Result<(), Error> {
        let pause = self.known.again.map(|again| again.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero());
        if pause.is_some() {
            self.again = pace::sooner(self.again, pause);
            return Ok(());
        }
        let namespace = &self.owner.namespace;
        // In a namespace that goes Helm could make nothing any more, and what it did not find would be called drift.
        if namespace::terminating(&self.context.client, namespace).await? || !self.has_account().await? {
            return Ok(());
        }
        if verb == Verb::Repair {
            self.known.repaired = Some(Instant::now());
            events::corrected(self.resource, "Helm", drifted, self.context).await;
            self.context.metrics.drift.inc_by(drifted.len() as u64);
        }
        let key = (namespace.clone(), self.addon.release(&self.owner.name));
        self.context.runner.begin(Task { key, owner: self.owner.name.clone(), verb, calls, limit: timeout + SLACK });
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
        if self.known.complaint.as_ref() != Some(&complaint) {
            failed(self.resource, self.addon, self.known, complaint, self.context).await;
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
            (self.known.chart, self.known.outside) = (None, Vec::new());
            return Ok(());
        };
        if self.known.chart.as_ref().is_none_or(|(secret, _)| *secret != newest.secret) {
            let Some(payload) = releases::payload(&self.context.client, self.owner, &newest.secret).await? else {
                (self.known.chart, self.known.grants) = (None, false);
                return Ok(());
            };
            self.known.grants = payload.grants();
            self.known.outside = outside::outside(&self.context.client, &self.owner.namespace, &payload.manifest).await?;
            self.known.chart = Some((newest.secret.clone(), (payload.chart.metadata.name, payload.chart.metadata.version)));
        }
        Ok(())
    }

    /// Once Prometheus stands without the Role that version 0.1.0 had its chart make, and has the operator's binding if it needs it, removes that
    /// Role, once.
    pub(super) async fn clear_legacy(&mut self) -> Result<(), Error> {
        let upgraded = self.history.last().is_some_and(|newest| newest.number > 1) && self.running.is_none() && self.stands();
        let due = self.addon == Addon::Prometheus && upgraded && !self.known.grants && !self.known.cleared;
        if !due || self.resource.spec.operation.paused {
            return Ok(());
        }
        let bound = || self.context.children.of(self.owner).keys().any(|(kind, _)| *kind == Kind::RoleBinding);
        if !self.wanted.managed.watches_pods || bound() {
            legacy::clear(self.owner, self.context).await?;
            self.known.cleared = true;
        }
        Ok(())
    }
}

/// Takes note of a failure, and tells of it if it is another than before.
pub(super) async fn failed(resource: &UserInfoDeployment, addon: Addon, known: &mut AddonRecord, complaint: Complaint, context: &Context) {
    known.failures += 1;
    known.again = Some(Instant::now() + pace::after_failed_release(known.failures));
    context.metrics.addon_failures.with_label_values(&[addon.name(), complaint.reason.name()]).inc();
    if known.complaint.as_ref() != Some(&complaint) {
        let note = format!("{}: {}", addon.name(), complaint.message);
        events::event(&resource.object_ref(&()), EventType::Warning, complaint.reason, "Helm", note, context).await;
    }
    known.complaint = Some(complaint);
}
