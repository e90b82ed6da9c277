//! All that `user_client` counts.

use prometheus::process_collector::ProcessCollector;
use user_info_layers::metrics::Register;
use user_info_layers::middleware::spans::SpanMetrics;

use super::stack::{PREFIX, StackMetrics};
use crate::registry::{DiscoveryMetrics, RegistrarMetrics};
use crate::reload;
use crate::telemetry::LogMetrics;
use crate::tls::TlsMetrics;

/// All that `user_client` counts: the program starts with it and hands each part to where it is counted, the reference lists it.
#[derive(Debug)]
pub struct Metrics {
    /// Of changes of the config file.
    pub(super) reload: reload::Metrics,
    /// Of calls and instances.
    pub(super) stack: StackMetrics,
    /// Of spans that are exported.
    pub(super) spans: SpanMetrics,
    /// Of discovery.
    pub(super) discovery: DiscoveryMetrics,
    /// Of the place in the registry, if one is named.
    pub(super) registrar: Option<RegistrarMetrics>,
    /// Of certificates, if TLS is spoken.
    pub(super) tls: Option<TlsMetrics>,
}

impl Metrics {
    /// Registers every metric. Those of `tls` and of the registry exist only if TLS is spoken and a registry, `consul`, is named.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn new(registry: &dyn Register, tls: bool, consul: bool) -> prometheus::Result<Self> {
        registry.register(Box::new(ProcessCollector::for_self()))?;
        LogMetrics::new(registry, PREFIX)?;
        Ok(Self {
            reload: reload::Metrics::new(registry)?,
            stack: StackMetrics::new(registry)?,
            spans: SpanMetrics::new(registry, PREFIX)?,
            discovery: DiscoveryMetrics::new(registry)?,
            registrar: consul.then(|| RegistrarMetrics::new(registry)).transpose()?,
            tls: tls.then(|| TlsMetrics::new(registry, PREFIX)).transpose()?,
        })
    }
}
