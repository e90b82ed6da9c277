//! What is counted of certificates.

use std::ops::Range;
use std::time::SystemTime;

use prometheus::{Gauge, IntCounter, IntGauge};
use user_info_layers::metrics::Register;

/// What is counted of certificates and their changes.
#[derive(Debug, Clone)]
pub struct TlsMetrics {
    pub(super) reloads: IntCounter,
    pub(super) failures: IntCounter,
    /// 1 while what the files hold cannot be used.
    pub(super) refused: IntGauge,
    issued: Gauge,
    expiry: Gauge,
}

impl TlsMetrics {
    /// Registers the metrics, their names beginning with `prefix`.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn new(registry: &dyn Register, prefix: &str) -> prometheus::Result<Self> {
        let name = |suffix| format!("{prefix}_tls_{suffix}");
        let failures = "Changes of certificates that could not be used; the last good ones stay.";
        let refused = "1 while the files hold certificates that cannot be used and the last good ones are, 0 otherwise.";
        let issued = "Since when the own certificate in use is valid, in seconds since 1970; 0 without one.";
        let expiry = "When the own certificate in use ends, in seconds since 1970; infinite without one.";
        let metrics = Self {
            reloads: registry.counter(name("reloads_total"), "Changes of certificates put in use.")?,
            failures: registry.counter(name("reload_failures_total"), failures)?,
            refused: registry.gauge(name("refused"), refused)?,
            issued: registry.float_gauge(name("certificate_issued_timestamp_seconds"), issued)?,
            expiry: registry.float_gauge(name("certificate_expiry_timestamp_seconds"), expiry)?,
        };
        metrics.expiry.set(f64::INFINITY);
        Ok(metrics)
    }

    pub(super) fn valid(&self, validity: Option<&Range<SystemTime>>) {
        let since_epoch = |at: SystemTime| at.duration_since(SystemTime::UNIX_EPOCH).ok().map(|span| span.as_secs_f64().floor());
        self.issued.set(validity.and_then(|validity| since_epoch(validity.start)).unwrap_or(0.0));
        self.expiry.set(validity.and_then(|validity| since_epoch(validity.end)).unwrap_or(f64::INFINITY));
    }
}
