//! What is counted of certificates.

use std::time::SystemTime;

use prometheus::{Gauge, IntCounter};

use crate::metrics::Register;

/// What is counted of certificates and their changes.
#[derive(Debug, Clone)]
pub struct TlsMetrics {
    pub(super) reloads: IntCounter,
    pub(super) failures: IntCounter,
    expiry: Gauge,
}

impl TlsMetrics {
    /// Registers the metrics, their names beginning with `prefix`.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn new(registry: &dyn Register, prefix: &str) -> prometheus::Result<Self> {
        let reloads = IntCounter::new(format!("{prefix}_tls_reloads_total"), "Changes of certificates put in use.")?;
        let failures = IntCounter::new(
            format!("{prefix}_tls_reload_failures_total"),
            "Changes of certificates that could not be used; the last good ones stay.",
        )?;
        let expiry = Gauge::new(
            format!("{prefix}_tls_certificate_expiry_timestamp_seconds"),
            "When the own certificate in use ends, in seconds since 1970; infinite without one.",
        )?;
        expiry.set(f64::INFINITY);
        registry.register(Box::new(reloads.clone()))?;
        registry.register(Box::new(failures.clone()))?;
        registry.register(Box::new(expiry.clone()))?;
        Ok(Self { reloads, failures, expiry })
    }

    pub(super) fn expires(&self, at: Option<SystemTime>) {
        let since_epoch = at.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        self.expiry.set(since_epoch.map_or(f64::INFINITY, |span| span.as_secs_f64().floor()));
    }
}
