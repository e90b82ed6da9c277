//! What spans say, and which context calls are sent on with. An exporter in memory stands for the collector.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use http::{HeaderMap, Method};
use opentelemetry::trace::{SpanKind, Status, TracerProvider};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanData, SpanExporter};
use tonic::Code;
use tower::{Layer, ServiceExt};

use super::*;
use crate::{Error, Kind};

const OPERATION: &str = "/shop.Orders/Get";
const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const STATE: &str = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";

/// Keeps what it is given.
#[derive(Debug, Clone, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(batch);
        Ok(())
    }
}

struct Recording {
    provider: SdkTracerProvider,
    kept: Kept,
}

impl Recording {
    fn new(share: f64) -> Self {
        let kept = Kept::default();
        let sampler = Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share)));
        Self { provider: SdkTracerProvider::builder().with_simple_exporter(kept.clone()).with_sampler(sampler).build(), kept }
    }

    fn server(&self) -> SpanLayer {
        SpanLayer::new(self.provider.tracer("test"), "10.0.0.7:9001", "https://shop.example.com:8001")
    }

    fn client(&self) -> ClientSpanLayer {
        ClientSpanLayer::new(self.provider.tracer("test"), "shop")
    }

    /// The one span that was recorded.
    fn span(&self) -> SpanData {
        let mut spans = std::mem::take(&mut *self.kept.0.lock().unwrap());
        assert_eq!(spans.len(), 1, "{spans:?}");
        spans.remove(0)
    }

    fn spans(&self) -> usize {
        self.kept.0.lock().unwrap().len()
    }
}

fn call(kind: Kind, headers: &[(&'static str, &'static str)]) -> Call<()> {
    let mut call = Call::new(kind, OPERATION, ());
    for (name, value) in headers {
        call.metadata.append(*name, value.parse().expect("a header's value"));
    }
    call
}

/// The attributes, each once, as `key=value`, in order of their keys.
fn attributes(span: &SpanData) -> Vec<String> {
    let mut all: Vec<_> = span.attributes.iter().map(|a| format!("{}={}", a.key, a.value)).collect();
    all.sort();
    all
}

#[tokio::test]
async fn p8_a_server_span_is_named_and_described_by_the_conventions_for_grpc() {
    let recording = Recording::new(1.0);
    let service = recording.server().layer(tower::service_fn(async |_: Call<()>| Ok::<_, Error>(())));
    service.oneshot(call(Kind::Grpc, &[])).await.expect("answered");
    let span = recording.span();
    assert_eq!((&*span.name, &span.span_kind, &span.status), ("shop.Orders/Get", &SpanKind::Server, &Status::Unset));
    let expected = [
        "rpc.grpc.status_code=0",
        "rpc.method=Get",
        "rpc.service=shop.Orders",
        "rpc.system=grpc",
        "server.address=10.0.0.7",
        "server.port=9001",
    ];
    assert_eq!(attributes(&span), expected);
}

#[tokio::test]
async fn p8_a_server_span_is_named_and_described_by_the_conventions_for_http() {
    let recording = Recording::new(1.0);
    let service = recording.server().layer(tower::service_fn(async |_: Call<()>| Err::<(), _>(Error::OVERLOADED)));
    let mut call = call(Kind::Http, &[]);
    call.extensions.insert(HttpRequest::new(Method::GET, "/orders/{id}", "/orders/7"));
    service.oneshot(call).await.expect_err("no room");
    let span = recording.span();
    assert_eq!((&*span.name, &span.status), ("GET /orders/{id}", &Status::error("OVERLOADED")));
    let expected = [
        "error.type=503",
        "http.request.method=GET",
        "http.response.status_code=503",
        "http.route=/orders/{id}",
        "server.address=shop.example.com",
        "server.port=8001",
        "url.path=/orders/7",
        "url.scheme=https",
    ];
    assert_eq!(attributes(&span), expected);
}

#[tokio::test]
async fn p8_what_is_the_callers_business_is_no_error_of_the_server() {
    let recording = Recording::new(1.0);
    for kind in Kind::ALL {
        for (code, error) in [(400, false), (404, false), (409, false), (429, false), (499, false), (500, true), (501, true), (503, true)] {
            let failure = Error::new(code, "WHY", "");
            let service = recording.server().layer(tower::service_fn(move |_: Call<()>| std::future::ready(Err::<(), _>(failure.clone()))));
            service.oneshot(call(kind, &[])).await.expect_err("fails");
            let span = recording.span();
            let expected = if error { Status::error("WHY") } else { Status::Unset };
            assert_eq!(span.status, expected, "{kind:?} {code}");
            assert_eq!(attributes(&span).iter().any(|a| a.starts_with("error.type")), error, "{kind:?} {code}");
        }
    }
    let pending = recording.server().layer(tower::service_fn(|_: Call<()>| std::future::pending::<Result<(), Error>>()));
    assert!(pending.oneshot(call(Kind::Grpc, &[])).now_or_never().is_none());
    let span = recording.span();
    assert_eq!(span.status, Status::Unset, "the caller went away");
    assert!(attributes(&span).contains(&"rpc.grpc.status_code=1".to_owned()));
}

#[tokio::test]
async fn p8_a_recorded_call_keeps_its_callers_trace_and_tracestate() {
    let recording = Recording::new(0.0);
    let ask = async |headers: &[(&'static str, &'static str)]| {
        let service = recording.server().layer(tower::service_fn(async |_: Call<()>| Ok::<_, Error>(())));
        service.oneshot(call(Kind::Grpc, headers)).await.expect("answered");
    };
    ask(&[("traceparent", PARENT), ("tracestate", STATE)]).await;
    let span = recording.span();
    assert_eq!(span.span_context.trace_id().to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(span.parent_span_id.to_string(), "00f067aa0ba902b7");
    assert_eq!(span.span_context.trace_state().header(), STATE);
    // Two headers are one list.
    ask(&[("traceparent", PARENT), ("tracestate", "rojo=00f067aa0ba902b7"), ("tracestate", "congo=t61rcWkgMzE")]).await;
    assert_eq!(recording.span().span_context.trace_state().header(), STATE);
    // What cannot be read is left out, and the call recorded all the same.
    ask(&[("traceparent", PARENT), ("tracestate", "no list")]).await;
    assert_eq!(recording.span().span_context.trace_state().header(), "");
    ask(&[("traceparent", &PARENT[..53])]).await;
    assert_eq!(recording.spans(), 0, "a malformed context is none, and none of those is recorded");
}

/// Makes a call through the client's layer; returns the headers that it was sent on with.
async fn send(recording: &Recording, headers: &[(&'static str, &'static str)], answer: Result<(), Error>) -> HeaderMap {
    let (sent, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let service = recording.client().layer(tower::service_fn(move |call: Call<()>| {
        if let Some(sent) = Sent::of(&call) {
            sent.to("10.0.0.7:9001");
            sent.to("10.0.0.8:9002");
            if answer.as_ref().is_err_and(|error| error.reason == "ANSWERED") {
                sent.answered(Code::FailedPrecondition);
            }
        }
        sent.send(call.metadata).expect("the test waits");
        std::future::ready(answer.clone())
    }));
    let _ = service.oneshot(call(Kind::Grpc, headers)).await;
    seen.recv().await.expect("called")
}

#[tokio::test]
async fn p8_a_client_span_is_the_parent_that_the_call_is_sent_with() {
    let recording = Recording::new(1.0);
    let sent = send(&recording, &[("tracestate", STATE)], Ok(())).await;
    let span = recording.span();
    let context = TraceContext::extract(&sent).expect("sent on");
    assert_eq!(context.trace_id.to_be_bytes(), span.span_context.trace_id().to_bytes());
    assert_eq!((context.span_id.to_be_bytes(), context.sampled), (span.span_context.span_id().to_bytes(), true));
    assert!(!sent.contains_key("tracestate"), "it belongs to no trace");
    assert_eq!((&*span.name, &span.span_kind, &span.status), ("shop.Orders/Get", &SpanKind::Client, &Status::Unset));
    let expected = [
        "network.peer.address=10.0.0.8",
        "network.peer.port=9002",
        "rpc.grpc.status_code=0",
        "rpc.method=Get",
        "rpc.service=shop.Orders",
        "rpc.system=grpc",
        "server.address=10.0.0.8",
        "server.port=9002",
    ];
    assert_eq!(attributes(&span), expected);

    let sent = send(&recording, &[("traceparent", PARENT), ("tracestate", STATE)], Ok(())).await;
    let span = recording.span();
    assert_eq!(span.parent_span_id.to_string(), "00f067aa0ba902b7");
    assert_eq!((sent["tracestate"].to_str().expect("text"), span.span_context.trace_state().header()), (STATE, STATE.to_owned()));
    let context = TraceContext::extract(&sent).expect("sent on");
    assert_eq!(context.span_id.to_be_bytes(), span.span_context.span_id().to_bytes());
}

#[tokio::test]
async fn p8_a_call_that_is_not_recorded_is_sent_with_a_context_that_says_so() {
    let recording = Recording::new(0.0);
    let sent = send(&recording, &[], Ok(())).await;
    assert!(!TraceContext::extract(&sent).expect("sent on").sampled);
    assert_eq!(recording.spans(), 0);
}

#[tokio::test]
async fn p8_every_call_without_a_reply_is_an_error_of_the_client() {
    let recording = Recording::new(1.0);
    for (reason, kind_of_error, code) in [("ANSWERED", "FAILED_PRECONDITION", 9), ("CIRCUITBREAKER", "CIRCUITBREAKER", 14)] {
        send(&recording, &[], Err(Error::new(503, reason, ""))).await;
        let span = recording.span();
        assert_eq!(span.status, Status::error(reason));
        let attributes = attributes(&span);
        assert!(attributes.contains(&format!("error.type={kind_of_error}")), "{attributes:?}");
        assert!(attributes.contains(&format!("rpc.grpc.status_code={code}")), "{attributes:?}");
    }
}

#[tokio::test]
async fn without_a_collector_calls_pass_untouched() {
    let untouched = |call: Call<()>| std::future::ready(Ok::<_, Error>((call.metadata.len(), call.extensions.len())));
    let sent = ClientSpanLayer::default().layer(tower::service_fn(untouched)).oneshot(call(Kind::Grpc, &[])).await;
    assert_eq!(sent, Ok((0, 0)));
    assert!(!SpanLayer::default().records() && !ClientSpanLayer::default().begins_traces());
}

#[test]
fn addresses_of_every_form_are_taken_apart() {
    assert_eq!(host_and_port("10.0.0.7:9001"), ("10.0.0.7", Some(9001)));
    assert_eq!(host_and_port("[2001:db8::1]:9001"), ("2001:db8::1", Some(9001)));
    assert_eq!(host_and_port("bbs.user.info"), ("bbs.user.info", None));
}
