//! What sends spans to a collector.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tonic::transport::Channel;

use super::queue::{Bounded, Queue};
use super::{ClientSpanLayer, SpanLayer, SpanMetrics};

/// For how long a batch that the collector refused is tried again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where spans are sent, and in whose name.
#[derive(Debug, Clone)]
pub struct Export {
    /// The collector, which speaks OTLP over gRPC. The channel should have a timeout: no batch is given up otherwise.
    pub collector: Channel,
    /// Share of the calls without a caller's trace context that are recorded, in percent, 0 to 100.
    pub percentage: f64,
    /// `service.name`.
    pub service: String,
    /// `service.version`.
    pub version: String,
    /// `service.instance.id`.
    pub instance: String,
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

/// Keeps the export running, and makes the layers that record.
#[derive(Debug)]
pub struct Exporter(Option<Running>);

#[derive(Debug)]
struct Running {
    provider: SdkTracerProvider,
    queue: Arc<Queue>,
}

impl Exporter {
    /// Starts to `export`; without anything to export the layers do nothing. On a runtime of tokio, which the connection to the collector
    /// belongs to.
    ///
    /// # Errors
    /// If an environment variable such as `OTEL_EXPORTER_OTLP_COMPRESSION` has a value that cannot be used.
    pub fn start(export: Option<Export>, metrics: SpanMetrics) -> Result<Self, SpanError> {
        let Some(export) = export else { return Ok(Self(None)) };
        let exporter = SpanExporter::builder().with_tonic().with_channel(export.collector).with_timeout(PATIENCE);
        let exporter = exporter.build().map_err(|e| SpanError(e.to_string()))?;
        let resource = Resource::builder()
            .with_service_name(export.service)
            .with_attribute(KeyValue::new("service.version", export.version))
            .with_attribute(KeyValue::new("service.instance.id", export.instance))
            .build();
        let share = Sampler::TraceIdRatioBased(export.percentage / 100.0);
        let queue = Arc::new(Queue::new(metrics));
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Bounded::before(exporter, &queue))
            .with_sampler(Sampler::ParentBased(Box::new(share)))
            .with_resource(resource)
            .build();
        Ok(Self(Some(Running { provider, queue })))
    }

    /// The layer around calls that are answered at these advertised addresses: `host:port` of gRPC, and `http://host:port` or
    /// `https://host:port`.
    pub fn server(&self, grpc: &str, http: &str) -> SpanLayer {
        self.tracer().map_or_else(SpanLayer::default, |tracer| SpanLayer::new(tracer, grpc, http))
    }

    /// The layer around calls that are made to `service`.
    pub fn client(&self, service: &str) -> ClientSpanLayer {
        self.tracer().map_or_else(ClientSpanLayer::default, |tracer| ClientSpanLayer::new(tracer, service))
    }

    fn tracer(&self) -> Option<SdkTracer> {
        let scope = InstrumentationScope::builder(env!("CARGO_PKG_NAME")).with_version(env!("CARGO_PKG_VERSION")).build();
        self.0.as_ref().map(|running| running.provider.tracer_with_scope(scope))
    }

    /// Sends what is still to be sent; blocks the thread for up to 5 s.
    pub fn shut_down(self) {
        let Some(Running { provider, queue }) = self.0 else { return };
        if let Err(error) = provider.shutdown() {
            tracing::warn!(%error, unsent = queue.waiting(), "the last spans were not exported");
        }
    }
}
