//! Records calls as OpenTelemetry spans and exports them over OTLP: the feature `otlp`.
//!
//! The caller's trace context decides whether a call is recorded; without one, a share of the calls is. Names, attributes and status are
//! those of OpenTelemetry's semantic conventions for [RPC](https://opentelemetry.io/docs/specs/semconv/rpc/grpc/) and
//! [HTTP](https://opentelemetry.io/docs/specs/semconv/http/http-spans/). Without a collector a layer hands each call through.

mod client;
mod conventions;
mod export;
mod queue;
mod server;

use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{Context, KeyValue};

use crate::Call;
use crate::middleware::trace::{TRACESTATE, TraceContext};

pub use client::{ClientSpan, ClientSpanLayer, ClientSpans, Sent};
pub use conventions::HttpRequest;
pub use export::{Export, Exporter, SpanError};
pub use queue::{QUEUE, SpanMetrics};
pub use server::{Span, SpanLayer, Spans};

/// Longest `tracestate` that is taken on, in bytes; the standard asks for 512.
const LONGEST_TRACESTATE: usize = 512;

/// The caller's span, and what its trace carries along; an empty context if there is none.
fn parent<M>(call: &Call<M>) -> Context {
    let Some(parent) = TraceContext::extract(&call.metadata) else { return Context::new() };
    let flags = if parent.sampled { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
    let (trace, span) = (TraceId::from_bytes(parent.trace_id.to_be_bytes()), SpanId::from_bytes(parent.span_id.to_be_bytes()));
    // Only a span that is recorded has a use for it.
    let state = if parent.sampled { state(call) } else { TraceState::NONE };
    Context::new().with_remote_span_context(SpanContext::new(trace, span, flags, true, state))
}

/// The members of all `tracestate` headers; none if they cannot be read, as the standard asks.
fn state<M>(call: &Call<M>) -> TraceState {
    let texts: Vec<_> = call.metadata.get_all(TRACESTATE).iter().filter_map(|value| value.to_str().ok()).collect();
    let text = texts.join(",");
    if text.len() > LONGEST_TRACESTATE { TraceState::NONE } else { text.parse().unwrap_or_default() }
}

/// `server.address` and `server.port` of `host:port`, or of a host alone.
fn server_address(address: &str) -> Vec<KeyValue> {
    let (host, port) = host_and_port(address);
    let mut attributes = vec![KeyValue::new("server.address", host.to_owned())];
    attributes.extend(port.map(|port| KeyValue::new("server.port", i64::from(port))));
    attributes
}

/// The two parts of `host:port`; an address of IPv6 without its brackets.
fn host_and_port(address: &str) -> (&str, Option<u16>) {
    match address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?))) {
        Some((host, port)) => (host.trim_matches(['[', ']']), Some(port)),
        None => (address, None),
    }
}

#[cfg(test)]
mod tests;
