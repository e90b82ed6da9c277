//! Records calls as OpenTelemetry spans and exports them over OTLP.
//!
//! Only if the build has the feature `otlp` and the configuration names a collector. The caller's trace context decides whether a call is
//! recorded; without one, a share of the calls is.

#[cfg(feature = "otlp")]
mod otlp;

#[cfg(feature = "otlp")]
pub use otlp::{Exporter, Span, SpanLayer, Spans, start};

/// The layer, in a build without the feature: none.
#[cfg(not(feature = "otlp"))]
pub type SpanLayer = tower::layer::util::Identity;

/// What keeps the export running.
#[cfg(not(feature = "otlp"))]
#[derive(Debug)]
pub struct Exporter;

#[cfg(not(feature = "otlp"))]
impl Exporter {
    /// Sends what is still to be sent; nothing.
    pub fn shut_down(self) {}
}

/// Traces cannot be exported as the configuration asks.
#[derive(Debug, thiserror::Error)]
#[error("tracing.otlpEndpoint: {0}")]
pub struct SpanError(String);

/// No layer; a configuration that asks for one is refused.
///
/// # Errors
/// If the configuration names a collector.
#[cfg(not(feature = "otlp"))]
pub fn start(tracing: &user_info_api::config::Tracing, _: &user_info_api::config::Service) -> Result<(SpanLayer, Exporter), SpanError> {
    match &tracing.otlp_endpoint {
        None => Ok((SpanLayer::new(), Exporter)),
        Some(_) => Err(SpanError("this build cannot export traces; leave it out, or build with `--features otlp`".to_owned())),
    }
}
