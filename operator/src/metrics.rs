//! What the operator counts.

use std::time::Duration;

use prometheus::process_collector::ProcessCollector;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec};
use user_info_metrics::Register;

use crate::error::Error;
use crate::reason::Reason;

/// What the names of the metrics begin with.
const PREFIX: &str = "user_info_operator";

/// What the operator counts.
#[derive(Debug)]
pub struct Metrics {
    reconciles: IntCounterVec,
    errors: IntCounterVec,
    objects: IntGaugeVec,
    waiting: IntGauge,
    helm_calls: IntCounterVec,
    helm_duration: HistogramVec,
    /// Failures to install, upgrade, repair or remove a release, or to find what it needs.
    pub addon_failures: IntCounterVec,
    /// Duration of reconciles.
    pub duration: Histogram,
    /// Writes to the API server.
    pub writes: IntCounterVec,
    /// Objects that someone else had changed and that were changed back.
    pub drift: IntCounter,
    /// Objects that stayed when a resource was let go: of a deleted namespace, or of abandoned releases.
    pub leftovers: IntCounterVec,
    /// Whether this process holds the lease.
    pub leader: IntGauge,
    /// Whether the cluster lacks the custom resource definition.
    pub crd_missing: IntGauge,
}

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn new(registry: &dyn Register) -> prometheus::Result<Self> {
        registry.register(Box::new(ProcessCollector::new(std::process::id().cast_signed(), PREFIX)))?;
        let name = |suffix| format!("{PREFIX}_{suffix}");
        let helm_calls = "What Helm did with releases, by outcome: ok, error or stopped.";
        let helm_buckets = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
        let helm_duration = "Duration of what Helm does with a release.";
        let addon_failures = "Failures to install, upgrade, repair or remove a release.";
        let buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
        let drift = "Objects that someone else had changed and that were changed back.";
        let leftovers = "What stayed when a resource was let go: outside of its deleted namespace, or of abandoned releases.";
        let metrics = Self {
            reconciles: registry.counters(name("reconciles_total"), "Reconciles by outcome: ok or error.", &["outcome"])?,
            errors: registry.counters(
                name("reconcile_errors_total"),
                "Reconciles that failed, by class and reason.",
                &["class", "reason"],
            )?,
            objects: registry.gauges(name("objects"), "Resources by the reason of their condition Ready.", &["reason"])?,
            waiting: registry.gauge(name("queue"), "Reconciles that wait for their turn.")?,
            helm_calls: registry.counters(name("helm_calls_total"), helm_calls, &["verb", "outcome"])?,
            helm_duration: registry.histograms(name("helm_duration_seconds"), helm_duration, &helm_buckets, &["verb"])?,
            addon_failures: registry.counters(name("addon_failures_total"), addon_failures, &["addon", "reason"])?,
            duration: registry.histogram(name("reconcile_duration_seconds"), "Duration of reconciles.", &buckets)?,
            writes: registry.counters(name("writes_total"), "Writes to the API server; at rest it does not rise.", &["kind", "verb"])?,
            drift: registry.counter(name("drift_corrected_total"), drift)?,
            leftovers: registry.counters(name("leftovers_total"), leftovers, &["cause"])?,
            leader: registry.gauge(name("leader"), "1 while this process holds the lease.")?,
            crd_missing: registry.gauge(name("crd_missing"), "1 while the cluster lacks the custom resource definition.")?,
        };
        // From the beginning, so that the first one counts as a rise.
        for cause in ["namespace", "abandoned"] {
            metrics.leftovers.with_label_values(&[cause]);
        }
        Ok(metrics)
    }

    /// Counts a reconcile as waiting until the guard is dropped.
    pub fn wait(&self) -> Waiting {
        self.waiting.inc();
        Waiting(self.waiting.clone())
    }

    /// Counts a reconcile.
    pub fn reconciled(&self, outcome: &str) {
        self.reconciles.with_label_values(&[outcome]).inc();
    }

    /// Counts a reconcile that failed.
    pub fn failed(&self, error: &Error) {
        self.reconciled("error");
        self.errors.with_label_values(&[error.class().name(), error.reason().name()]).inc();
    }

    /// Counts what Helm did with a release.
    pub fn helm(&self, verb: &str, outcome: &str, took: Duration) {
        self.helm_calls.with_label_values(&[verb, outcome]).inc();
        self.helm_duration.with_label_values(&[verb]).observe(took.as_secs_f64());
    }

    /// Forgets the states of all resources: another process looks after them.
    pub fn forget_states(&self) {
        self.objects.reset();
    }

    /// A resource is in another state now than before; none is one that is not there.
    pub fn state(&self, before: Option<Reason>, now: Option<Reason>) {
        if let Some(before) = before {
            self.objects.with_label_values(&[before.name()]).dec();
        }
        if let Some(now) = now {
            self.objects.with_label_values(&[now.name()]).inc();
        }
    }
}

/// A reconcile that waits for its turn.
#[derive(Debug)]
pub struct Waiting(IntGauge);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.dec();
    }
}
