//! The layer around calls that are made.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanBuilder, SpanContext, SpanKind, Tracer};
use opentelemetry_sdk::trace::SdkTracer;
use tonic::Code;
use tower::{Layer, Service};

use super::{conventions, host_and_port, parent, server_address};
use crate::guard::{Guard, Guarded, Outcome};
use crate::middleware::trace::{TRACEPARENT, TRACESTATE, TraceContext};
use crate::{Call, Error, Kind};

/// Records calls as spans of the kind CLIENT, if there is a collector to send them to: one a call, however often it is tried.
///
/// Each call is sent on with the `traceparent` of its span, whether it is recorded or not. A call without one begins a trace.
#[derive(Debug, Clone, Default)]
pub struct ClientSpanLayer(Option<Arc<Recorder>>);

#[derive(Debug)]
struct Recorder {
    tracer: SdkTracer,
    service: String,
}

impl ClientSpanLayer {
    pub(super) fn new(tracer: SdkTracer, service: &str) -> Self {
        Self(Some(Arc::new(Recorder { tracer, service: service.to_owned() })))
    }

    /// Whether the layer gives each call its place in a trace; else that is left to whoever makes it.
    pub const fn begins_traces(&self) -> bool {
        self.0.is_some()
    }
}

impl<S> Layer<S> for ClientSpanLayer {
    type Service = ClientSpans<S>;

    fn layer(&self, inner: S) -> Self::Service {
        ClientSpans { inner, recorder: self.0.clone() }
    }
}

/// Records the calls to `S`.
#[derive(Debug, Clone)]
pub struct ClientSpans<S> {
    inner: S,
    recorder: Option<Arc<Recorder>>,
}

impl<S, M> Service<Call<M>> for ClientSpans<S>
where
    S: Service<Call<M>, Error = Error>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = Guarded<S::Future, Option<ClientSpan>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut call: Call<M>) -> Self::Future {
        let span = self.recorder.as_ref().and_then(|recorder| ClientSpan::begin(recorder, &mut call));
        Guarded::new(self.inner.call(call), span)
    }
}

/// What only the transport knows of a call that is recorded.
#[derive(Debug, Clone, Default)]
pub struct Sent(Arc<Mutex<LastTry>>);

#[derive(Debug, Default)]
struct LastTry {
    instance: Option<String>,
    answered: Option<Code>,
}

impl Sent {
    /// Where to tell it; none if the call is not recorded.
    pub fn of<M>(call: &Call<M>) -> Option<&Self> {
        call.extensions.get()
    }

    /// The call is sent to this instance, `host:port`.
    pub fn to(&self, instance: &str) {
        *self.lock() = LastTry { instance: Some(instance.to_owned()), answered: None };
    }

    /// The instance has answered with this code.
    pub fn answered(&self, code: Code) {
        self.lock().answered = Some(code);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LastTry> {
        // Each value is valid at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call being recorded. Boxed, so that those that are not have little to carry.
#[derive(Debug)]
pub struct ClientSpan(Box<Recorded>);

#[derive(Debug)]
struct Recorded {
    span: opentelemetry_sdk::trace::Span,
    kind: Kind,
    sent: Sent,
    recorder: Arc<Recorder>,
}

impl ClientSpan {
    fn begin<M>(recorder: &Arc<Recorder>, call: &mut Call<M>) -> Option<Self> {
        let (name, attributes) = conventions::begin(call);
        let builder = SpanBuilder::from_name(name)
            .with_kind(SpanKind::Client)
            .with_start_time(SystemTime::now() - call.received.elapsed())
            .with_attributes(attributes);
        let span = recorder.tracer.build_with_context(builder, &parent(call));
        if TraceContext::extract(&call.metadata).is_none() {
            // Without a trace that it belongs to, it means nothing.
            call.metadata.remove(TRACESTATE);
        }
        call.metadata.insert(TRACEPARENT, context(span.span_context()).header());
        if !span.is_recording() {
            return None;
        }
        let sent = Sent::default();
        call.extensions.insert(sent.clone());
        Some(Self(Box::new(Recorded { span, kind: call.kind, sent, recorder: Arc::clone(recorder) })))
    }
}

/// The span's place in its trace. After the exporter was shut down it has none, and a trace begins that nobody records.
fn context(span: &SpanContext) -> TraceContext {
    let trace_id = u128::from_be_bytes(span.trace_id().to_bytes());
    let span_id = u64::from_be_bytes(span.span_id().to_bytes());
    if span.is_valid() { TraceContext { trace_id, span_id, sampled: span.is_sampled() } } else { TraceContext::root(false) }
}

impl Guard for ClientSpan {
    fn done(self, outcome: Outcome<'_>) {
        let Recorded { mut span, kind, sent, recorder } = *self.0;
        let LastTry { instance, answered } = std::mem::take(&mut *sent.lock());
        span.set_attributes(server_address(instance.as_deref().unwrap_or(&recorder.service)));
        span.set_attributes(instance.as_deref().map(peer).unwrap_or_default());
        let end = conventions::end(&SpanKind::Client, kind, outcome, answered);
        span.set_attributes(end.attributes);
        span.set_status(end.status);
        span.end();
    }
}

/// `network.peer.address` and its port, if the instance is known by its IP address.
fn peer(instance: &str) -> Vec<KeyValue> {
    let (host, port) = host_and_port(instance);
    if host.parse::<IpAddr>().is_err() {
        return Vec::new();
    }
    let address = KeyValue::new("network.peer.address", host.to_owned());
    std::iter::once(address).chain(port.map(|port| KeyValue::new("network.peer.port", i64::from(port)))).collect()
}
