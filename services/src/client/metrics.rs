//! All that `user_client` counts.

use prometheus::process_collector::ProcessCollector;
use user_info_api::config::UserClientLive;
use user_info_layers::metrics::Register;

use super::ClientStack;
use super::stack::PREFIX;
use crate::registry::{DiscoveryMetrics, RegistrarMetrics};
use crate::reload;
use crate::telemetry::LogMetrics;
use crate::tls::TlsMetrics;

/// Registers every metric that `user_client` has, without running it.
///
/// # Errors
/// If the registry has metrics of these names already.
pub fn register_metrics(registry: &dyn Register) -> prometheus::Result<()> {
    registry.register(Box::new(ProcessCollector::for_self()))?;
    LogMetrics::new(registry, PREFIX)?;
    reload::Metrics::new(registry)?;
    ClientStack::new(&UserClientLive::default(), None, registry)?;
    DiscoveryMetrics::new(registry)?;
    RegistrarMetrics::new(registry)?;
    TlsMetrics::new(registry, PREFIX)?;
    Ok(())
}
