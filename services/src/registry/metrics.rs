//! What Prometheus sees of registration and discovery.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, IntCounter, IntGauge};
use tokio::time::Instant;
use user_info_layers::metrics::Register;

/// Metrics of a [`Registrar`](super::Registrar).
#[derive(Debug, Clone)]
pub struct RegistrarMetrics {
    pub(super) registered: IntGauge,
    pub(super) heartbeat_failures: IntCounter,
}

impl RegistrarMetrics {
    /// Makes the metrics and adds them to `registry`.
    ///
    /// # Errors
    /// If `registry` has metrics of these names already.
    pub fn new(registry: &dyn Register) -> prometheus::Result<Self> {
        let registered = "1 while the registry knows this instance and answers its heartbeats, else 0; only where a registry is named.";
        let failures = "Registrations and heartbeats that failed; only where a registry is named.";
        Ok(Self {
            registered: registry.gauge("bbs_registry_registered", registered)?,
            heartbeat_failures: registry.counter("bbs_registry_heartbeat_failures_total", failures)?,
        })
    }
}

/// Metrics of the discovery of one service.
#[derive(Debug, Clone)]
pub struct DiscoveryMetrics {
    pub(super) instances: IntGauge,
    pub(super) invalid: IntGauge,
    pub(super) failures: IntCounter,
    pub(super) age: Age,
}

impl DiscoveryMetrics {
    /// Makes the metrics and adds them to `registry`.
    ///
    /// # Errors
    /// If `registry` has metrics of these names already.
    pub fn new(registry: &dyn Register) -> prometheus::Result<Self> {
        let invalid = "Entries of the registry's last answer that are left out since nobody can call them, such as one with port 70000.";
        let age = "Time since the list in use was last confirmed, or since the start; with Consul it rises to about a minute while nothing changes.";
        Ok(Self {
            instances: registry.gauge("bbs_discovery_instances", "Instances in the list in use.")?,
            invalid: registry.gauge("bbs_discovery_invalid_entries", invalid)?,
            failures: registry.counter("bbs_discovery_failures_total", "Look-ups that failed.")?,
            age: registry.add(Age::new("bbs_discovery_age_seconds", age)?)?,
        })
    }
}

/// A gauge of the time since something was last confirmed, computed when it is read.
#[derive(Debug, Clone)]
pub(super) struct Age {
    gauge: Gauge,
    start: Instant,
    /// Milliseconds from `start` to the last confirmation.
    confirmed: Arc<AtomicU64>,
}

impl Age {
    fn new(name: &str, help: &str) -> prometheus::Result<Self> {
        Ok(Self { gauge: Gauge::new(name, help)?, start: Instant::now(), confirmed: Arc::default() })
    }

    /// Notes a confirmation at `now`.
    pub(super) fn confirm(&self, now: Instant) {
        let millis = u64::try_from((now - self.start).as_millis()).unwrap_or(u64::MAX);
        self.confirmed.store(millis, Ordering::Relaxed);
    }

    /// Seconds from the last confirmation to `now`.
    fn seconds(&self, now: Instant) -> f64 {
        ((now - self.start).as_secs_f64() - self.confirmed.load(Ordering::Relaxed) as f64 / 1e3).max(0.0)
    }
}

impl Collector for Age {
    fn desc(&self) -> Vec<&Desc> {
        self.gauge.desc()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        self.gauge.set(self.seconds(Instant::now()));
        self.gauge.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use prometheus::Registry;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn age_grows_until_confirmed() {
        let registry = Registry::new();
        let metrics = DiscoveryMetrics::new(&registry).expect("fresh registry");
        let age = || {
            let families = registry.gather();
            let family = families.iter().find(|f| f.name() == "bbs_discovery_age_seconds").expect("registered");
            family.get_metric()[0].get_gauge().get_value()
        };
        tokio::time::advance(Duration::from_secs(3)).await;
        assert!((age() - 3.0).abs() < 0.01);
        metrics.age.confirm(Instant::now());
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!((age() - 2.0).abs() < 0.01);
    }
}
