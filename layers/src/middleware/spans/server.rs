//! The layer around calls that are answered.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Tracer};
use opentelemetry_sdk::trace::SdkTracer;
use tower::{Layer, Service};

use super::{conventions, parent, server_address};
use crate::guard::{Guard, Guarded, Outcome};
use crate::{Call, Error, Kind};

/// Records calls as spans of the kind SERVER, if there is a collector to send them to.
#[derive(Debug, Clone, Default)]
pub struct SpanLayer(Option<Arc<Recorder>>);

#[derive(Debug)]
struct Recorder {
    tracer: SdkTracer,
    grpc: Vec<KeyValue>,
    http: Vec<KeyValue>,
}

impl SpanLayer {
    pub(super) fn new(tracer: SdkTracer, grpc: &str, http: &str) -> Self {
        let (scheme, address) = http.split_once("://").unwrap_or(("http", http));
        let mut http = server_address(address);
        http.push(KeyValue::new("url.scheme", scheme.to_owned()));
        Self(Some(Arc::new(Recorder { tracer, grpc: server_address(grpc), http })))
    }

    /// Whether calls may be recorded: an adapter then tells of them what it alone knows, such as [`HttpRequest`](super::HttpRequest).
    pub const fn records(&self) -> bool {
        self.0.is_some()
    }
}

impl<S> Layer<S> for SpanLayer {
    type Service = Spans<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Spans { inner, recorder: self.0.clone() }
    }
}

/// Records the calls of `S`.
#[derive(Debug, Clone)]
pub struct Spans<S> {
    inner: S,
    recorder: Option<Arc<Recorder>>,
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
        let span = self.recorder.as_ref().and_then(|recorder| Span::begin(recorder, &call));
        Guarded::new(self.inner.call(call), span)
    }
}

/// A call being recorded. Boxed, so that those that are not have little to carry.
#[derive(Debug)]
pub struct Span(Box<Recorded>);

#[derive(Debug)]
struct Recorded {
    span: opentelemetry_sdk::trace::Span,
    kind: Kind,
}

impl Span {
    fn begin<M>(recorder: &Recorder, call: &Call<M>) -> Option<Self> {
        let (name, mut attributes) = conventions::begin(call);
        attributes.extend_from_slice(match call.kind {
            Kind::Grpc => &recorder.grpc,
            Kind::Http => &recorder.http,
        });
        let builder = SpanBuilder::from_name(name)
            .with_kind(SpanKind::Server)
            .with_start_time(SystemTime::now() - call.received.elapsed())
            .with_attributes(attributes);
        let span = recorder.tracer.build_with_context(builder, &parent(call));
        span.is_recording().then(|| Self(Box::new(Recorded { span, kind: call.kind })))
    }
}

impl Guard for Span {
    fn done(self, outcome: Outcome<'_>) {
        let Recorded { mut span, kind } = *self.0;
        let end = conventions::end(&SpanKind::Server, kind, outcome, None);
        span.set_attributes(end.attributes);
        span.set_status(end.status);
        span.end();
    }
}
