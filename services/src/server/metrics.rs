//! All that `user_info` counts.

use std::sync::Arc;

use prometheus::process_collector::ProcessCollector;
use user_info_layers::metrics::Register;
use user_info_layers::middleware::spans::SpanLayer;

use super::acceptor::ConnectionMetrics;
use super::stack::{PREFIX, ServerStack};
use crate::data::DataMetrics;
use crate::registry::RegistrarMetrics;
use crate::reload;
use crate::telemetry::LogMetrics;
use crate::tls::TlsAcceptorMetrics;

/// Registers every metric that `user_info` has, without running it.
///
/// # Errors
/// If the registry has metrics of these names already.
pub fn register_metrics(registry: &dyn Register) -> prometheus::Result<()> {
    registry.register(Box::new(ProcessCollector::for_self()))?;
    LogMetrics::new(registry, PREFIX)?;
    reload::Metrics::new(registry)?;
    ServerStack::new(registry, &Arc::default(), SpanLayer::default())?;
    DataMetrics::new(registry)?;
    ConnectionMetrics::new(registry)?;
    RegistrarMetrics::new(registry)?;
    TlsAcceptorMetrics::new(registry, PREFIX)?;
    Ok(())
}
