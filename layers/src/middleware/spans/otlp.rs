//! The layer and the exporter.

use std::task::{Context, Poll};
use std::time::SystemTime;

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState, Tracer, TracerProvider,
};
use opentelemetry::{Context as OtelContext, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracer, SdkTracerProvider};
use tower::{Layer, Service};

use super::{Export, SpanError};
use crate::guard::{Guard, Guarded, Outcome};
use crate::middleware::trace::TraceContext;
use crate::{Call, Error};

/// Keeps the export running.
#[derive(Debug)]
pub struct Exporter(Option<SdkTracerProvider>);

impl Exporter {
    /// Sends what is still to be sent; takes up to 5 s.
    pub fn shut_down(self) {
        if let Some(Err(error)) = self.0.map(|provider| provider.shutdown()) {
            tracing::warn!(%error, "the last spans were not exported");
        }
    }
}

/// Records calls as spans, if there is a collector to send them to.
#[derive(Debug, Clone, Default)]
pub struct SpanLayer(Option<SdkTracer>);

/// Starts to `export`; without anything to export the layer does nothing.
///
/// # Errors
/// If the collector's address cannot be used.
pub fn start(export: Option<&Export>) -> Result<(SpanLayer, Exporter), SpanError> {
    let Some(export) = export else { return Ok((SpanLayer(None), Exporter(None))) };
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(&export.endpoint).build().map_err(|e| SpanError(e.to_string()))?;
    let resource = Resource::builder()
        .with_service_name(export.service.clone())
        .with_attribute(KeyValue::new("service.version", export.version.clone()))
        .with_attributes(export.instance.clone().map(|id| KeyValue::new("service.instance.id", id)))
        .build();
    let share = Sampler::TraceIdRatioBased(export.percentage / 100.0);
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_sampler(Sampler::ParentBased(Box::new(share)))
        .with_resource(resource)
        .build();
    Ok((SpanLayer(Some(provider.tracer(export.scope))), Exporter(Some(provider))))
}

impl<S> Layer<S> for SpanLayer {
    type Service = Spans<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Spans { inner, tracer: self.0.clone() }
    }
}

/// Records the calls of `S`.
#[derive(Debug, Clone)]
pub struct Spans<S> {
    inner: S,
    tracer: Option<SdkTracer>,
}

impl<S, M> Service<Call<M>> for Spans<S>
where
    S: Service<Call<M>, Error = Error>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = Guarded<S::Future, Option<Span>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<M>) -> Self::Future {
        let span = self.tracer.as_ref().map(|tracer| Span::begin(tracer, &call)).filter(|span| span.0.is_recording());
        Guarded::new(self.inner.call(call), span)
    }
}

/// A call being recorded.
#[derive(Debug)]
pub struct Span(opentelemetry_sdk::trace::Span);

impl Span {
    fn begin<M>(tracer: &SdkTracer, call: &Call<M>) -> Self {
        let parent = TraceContext::extract(&call.metadata).map(|parent| {
            let flags = if parent.sampled { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
            let (trace, span) = (TraceId::from_bytes(parent.trace_id.to_be_bytes()), SpanId::from_bytes(parent.span_id.to_be_bytes()));
            OtelContext::new().with_remote_span_context(SpanContext::new(trace, span, flags, true, TraceState::NONE))
        });
        let builder = SpanBuilder::from_name(call.operation)
            .with_kind(SpanKind::Server)
            .with_start_time(SystemTime::now() - call.received.elapsed())
            .with_attributes([KeyValue::new("rpc.system", call.kind.as_str())]);
        Self(tracer.build_with_context(builder, &parent.unwrap_or_default()))
    }
}

impl Guard for Span {
    fn done(mut self, outcome: Outcome<'_>) {
        match outcome {
            Outcome::Success => {}
            Outcome::Failure(error) => {
                self.0.set_attribute(KeyValue::new("rpc.status_code", i64::from(error.code)));
                self.0.set_status(Status::error(error.reason.to_string()));
            }
            Outcome::Canceled => self.0.set_status(Status::error(crate::error::reason::CANCELED)),
        }
        self.0.end();
    }
}
