//! All that `user_info` counts.

use prometheus::process_collector::ProcessCollector;
use user_info_layers::metrics::Register;
use user_info_layers::middleware::spans::SpanMetrics;

use super::acceptor::ConnectionMetrics;
use super::stack::{PREFIX, ServerStack};
use crate::data::DataMetrics;
use crate::registry::RegistrarMetrics;
use crate::reload;
use crate::telemetry::LogMetrics;
use crate::tls::TlsAcceptorMetrics;

/// All that `user_info` counts: the program starts with it and hands each part to where it is counted, the reference lists it.
#[derive(Debug)]
pub struct Metrics {
    /// Of changes of the config file.
    pub(super) reload: reload::Metrics,
    /// Of calls: the layers that count them.
    pub(super) stack: ServerStack,
    /// Of spans that are exported.
    pub(super) spans: SpanMetrics,
    /// Of the stores.
    pub(super) data: DataMetrics,
    /// Of connections.
    pub(super) connections: ConnectionMetrics,
    /// Of the place in the registry, if one is named.
    pub(super) registrar: Option<RegistrarMetrics>,
    /// Of handshakes and certificates, if TLS is spoken.
    pub(super) tls: Option<TlsAcceptorMetrics>,
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
            stack: ServerStack::new(registry)?,
            spans: SpanMetrics::new(registry, PREFIX)?,
            data: DataMetrics::new(registry)?,
            connections: ConnectionMetrics::new(registry)?,
            registrar: consul.then(|| RegistrarMetrics::new(registry)).transpose()?,
            tls: tls.then(|| TlsAcceptorMetrics::new(registry, PREFIX)).transpose()?,
        })
    }
}
