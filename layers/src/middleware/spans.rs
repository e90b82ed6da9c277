//! Records calls as OpenTelemetry spans and exports them over OTLP.
//!
//! Only if the build has the feature `otlp` and a collector is named. The caller's trace context decides whether a call is
//! recorded; without one, a share of the calls is.

#[cfg(feature = "otlp")]
mod otlp;

use std::fmt;

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

/// Where spans are sent, and in whose name.
#[derive(Debug, Clone, PartialEq)]
pub struct Export {
    /// The collector's address for OTLP over gRPC, such as `http://127.0.0.1:4317`.
    pub endpoint: String,
    /// Share of the calls without a caller's trace context that are recorded, in percent, 0 to 100.
    pub percentage: f64,
    /// Name of what makes the spans: their instrumentation scope.
    pub scope: &'static str,
    /// `service.name`.
    pub service: String,
    /// `service.version`.
    pub version: String,
    /// `service.instance.id`, if there is one.
    pub instance: Option<String>,
}

/// Spans cannot be exported as they should be.
#[derive(Debug)]
pub struct SpanError(String);

impl fmt::Display for SpanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SpanError {}

/// No layer; this build refuses to export.
///
/// # Errors
/// If there is something to `export`.
#[cfg(not(feature = "otlp"))]
pub fn start(export: Option<&Export>) -> Result<(SpanLayer, Exporter), SpanError> {
    match export {
        None => Ok((SpanLayer::new(), Exporter)),
        Some(_) => Err(SpanError("this build cannot export traces; leave it out, or build with `--features otlp`".to_owned())),
    }
}
