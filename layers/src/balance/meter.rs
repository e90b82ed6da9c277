//! What is counted about each instance.

use std::sync::PoisonError;
use std::sync::atomic::Ordering::Relaxed;

use prometheus::{IntCounter, IntCounterVec, IntGauge};

use crate::metrics::Register;
use crate::middleware::metrics::SUCCESS;
use crate::sync::{AtomicU64, RwLock};

/// Metrics of the balancer: `<prefix>_instance_requests_total{instance,code}`, `…_instances`, `…_instances_in_rotation` and
/// `…_ejections_total`.
///
/// The series of an instance are removed when discovery no longer knows it, so there are never more than instances.
#[derive(Debug, Clone)]
pub struct InstanceMetrics {
    requests: IntCounterVec,
    pub(super) known: IntGauge,
    pub(super) in_rotation: IntGauge,
    pub(super) ejections: IntCounter,
}

impl InstanceMetrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn new(registry: &dyn Register, prefix: &str) -> prometheus::Result<Self> {
        let name = |suffix| format!("{prefix}_{suffix}");
        let requests = "Calls by the instance that got them; code 0 is success.";
        let ejections = "Times an instance was taken out for calls that timed out or connections that broke.";
        Ok(Self {
            requests: registry.counters(name("instance_requests_total"), requests, &["instance", "code"])?,
            known: registry.gauge(name("instances"), "Instances that discovery knows.")?,
            in_rotation: registry.gauge(name("instances_in_rotation"), "Instances that get calls: connected and not ejected.")?,
            ejections: registry.counter(name("ejections_total"), ejections)?,
        })
    }

    pub(super) fn instance(&self, address: &str) -> Meter {
        Meter {
            success: self.requests.with_label_values(&[address, SUCCESS]),
            requests: self.requests.clone(),
            retired: RwLock::new(false),
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        }
    }

    pub(super) fn remove(&self, address: &str) {
        let label = |m: &prometheus::proto::Metric, name| m.get_label().iter().find(|l| l.name() == name).map(|l| l.value().to_owned());
        for family in prometheus::core::Collector::collect(&self.requests) {
            for metric in family.get_metric().iter().filter(|m| label(m, "instance").as_deref() == Some(address)) {
                if let Some(code) = label(metric, "code") {
                    // It stands in what was just collected; if it is gone since, all the better.
                    let _ = self.requests.remove_label_values(&[address, &code]);
                }
            }
        }
    }
}

/// Counts the calls of one instance.
#[derive(Debug)]
pub(super) struct Meter {
    success: IntCounter,
    requests: IntCounterVec,
    /// Held while a series is made, so that none is once this is true.
    retired: RwLock<bool>,
    calls: AtomicU64,
    failures: AtomicU64,
}

impl Meter {
    /// Counts a call that ended with `code`; `None` is success.
    pub(super) fn count(&self, address: &str, code: Option<u16>) {
        self.calls.fetch_add(1, Relaxed);
        match code {
            None => self.success.inc(),
            Some(code) => {
                self.failures.fetch_add(1, Relaxed);
                let retired = self.retired.read().unwrap_or_else(PoisonError::into_inner);
                if !*retired {
                    self.requests.with_label_values(&[address, &code.to_string()]).inc();
                }
            }
        }
    }

    /// Makes no more series: the instance is gone, calls in flight may still end.
    pub(super) fn retire(&self) {
        *self.retired.write().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Calls ended since the node is known, and how many of them with an error.
    pub(super) fn totals(&self) -> (u64, u64) {
        (self.calls.load(Relaxed), self.failures.load(Relaxed))
    }
}
