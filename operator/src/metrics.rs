//! What the operator counts. Doc comments are the help texts.

use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::error::Error;
use crate::reason::Reason;

/// What the names of the metrics begin with.
pub const PREFIX: &str = "user_info_operator";

/// What the operator counts.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
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
    /// All of them at zero.
    ///
    /// # Errors
    /// Never, as long as no two have the same name.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new_custom(Some(PREFIX.to_owned()), None)?;
        let buckets = vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0];
        let helm_buckets = vec![0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
        let helm_duration = HistogramOpts::new("helm_duration_seconds", "Duration of what Helm does with a release.").buckets(helm_buckets);
        let metrics = Self {
            helm_calls: IntCounterVec::new(
                Opts::new("helm_calls_total", "What Helm did with releases, by outcome: ok, error or stopped."),
                &["verb", "outcome"],
            )?,
            helm_duration: HistogramVec::new(helm_duration, &["verb"])?,
            addon_failures: IntCounterVec::new(
                Opts::new("addon_failures_total", "Failures to install, upgrade, repair or remove a release."),
                &["addon", "reason"],
            )?,
            reconciles: IntCounterVec::new(Opts::new("reconciles_total", "Reconciles by outcome: ok or error."), &["outcome"])?,
            errors: IntCounterVec::new(
                Opts::new("reconcile_errors_total", "Reconciles that failed, by class and reason."),
                &["class", "reason"],
            )?,
            objects: IntGaugeVec::new(Opts::new("objects", "Resources by the reason of their condition Ready."), &["reason"])?,
            waiting: IntGauge::new("queue", "Reconciles that wait for their turn.")?,
            duration: Histogram::with_opts(HistogramOpts::new("reconcile_duration_seconds", "Duration of reconciles.").buckets(buckets))?,
            writes: IntCounterVec::new(
                Opts::new("writes_total", "Writes to the API server; at rest it does not rise."),
                &["kind", "verb"],
            )?,
            drift: IntCounter::new("drift_corrected_total", "Objects that someone else had changed and that were changed back.")?,
            leftovers: IntCounterVec::new(
                Opts::new(
                    "leftovers_total",
                    "What stayed when a resource was let go: outside of its deleted namespace, or of abandoned releases.",
                ),
                &["cause"],
            )?,
            leader: IntGauge::new("leader", "1 while this process holds the lease.")?,
            crd_missing: IntGauge::new("crd_missing", "1 while the cluster lacks the custom resource definition.")?,
            registry,
        };
        metrics.register()?;
        // From the beginning, so that the first one counts as a rise.
        for cause in ["namespace", "abandoned"] {
            metrics.leftovers.with_label_values(&[cause]);
        }
        Ok(metrics)
    }

    fn register(&self) -> prometheus::Result<()> {
        self.collectors().into_iter().try_for_each(|metric| self.registry.register(metric))
    }

    /// Each of them, its name still without [`PREFIX`].
    pub fn collectors(&self) -> Vec<Box<dyn Collector>> {
        vec![
            Box::new(self.reconciles.clone()),
            Box::new(self.errors.clone()),
            Box::new(self.objects.clone()),
            Box::new(self.waiting.clone()),
            Box::new(self.helm_calls.clone()),
            Box::new(self.helm_duration.clone()),
            Box::new(self.addon_failures.clone()),
            Box::new(self.duration.clone()),
            Box::new(self.writes.clone()),
            Box::new(self.drift.clone()),
            Box::new(self.leftovers.clone()),
            Box::new(self.leader.clone()),
            Box::new(self.crd_missing.clone()),
            Box::new(prometheus::process_collector::ProcessCollector::for_self()),
        ]
    }

    /// All of them as text, for Prometheus.
    ///
    /// # Errors
    /// Never, as long as their names are valid.
    pub fn text(&self) -> prometheus::Result<Vec<u8>> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
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
