//! Spans of both programs reach a collector over OTLP, within the caller's trace; those that do not are counted.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};
use user_info_proto::GetUserInfoRequest;
use user_info_testing::authority::Authority;
use user_info_testing::config::IN_MEMORY;
use user_info_testing::port::free_address;
use user_info_testing::process::run;
use user_info_testing::wait::{PATIENCE, eventually};

use crate::running::UserInfo;

const USER_INFO: &str = env!("CARGO_BIN_EXE_user_info");
const USER_CLIENT: &str = env!("CARGO_BIN_EXE_user_client");

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const STATE: &str = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE";
const NAME: &str = "api.user_info.UserInfo/GetUserInfo";
const DROPPED: &str = "bbs_user_info_spans_dropped_total ";
const LOSING: &str = "spans do not reach the collector";
const REACHED_AGAIN: &str = "spans reach the collector again";

/// A span, and what is told of the program that it is from.
struct Exported {
    resource: Vec<String>,
    span: Span,
}

impl Exported {
    fn attributes(&self) -> Vec<String> {
        texts(&self.span.attributes)
    }
}

/// Attributes as `key=value`, in order of their keys.
fn texts(attributes: &[KeyValue]) -> Vec<String> {
    let text = |attribute: &KeyValue| {
        let value = match attribute.value.as_ref().and_then(|value| value.value.as_ref()) {
            Some(Value::StringValue(text)) => text.clone(),
            Some(Value::IntValue(number)) => number.to_string(),
            other => format!("{other:?}"),
        };
        format!("{}={value}", attribute.key)
    };
    let mut all: Vec<_> = attributes.iter().map(text).collect();
    all.sort();
    all
}

/// Hands on what it is sent.
struct Sink(mpsc::UnboundedSender<Exported>);

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(&self, request: Request<ExportTraceServiceRequest>) -> Result<Response<ExportTraceServiceResponse>, Status> {
        for of_program in request.into_inner().resource_spans {
            let resource = texts(&of_program.resource.unwrap_or_default().attributes);
            for span in of_program.scope_spans.into_iter().flat_map(|s| s.spans) {
                // A test that has seen enough does not wait.
                let _ = self.0.send(Exported { resource: resource.clone(), span });
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

/// A collector at an address.
struct Collector {
    address: SocketAddr,
    spans: mpsc::UnboundedReceiver<Exported>,
}

impl Collector {
    async fn start(at: SocketAddr, identity: Option<Identity>) -> Self {
        let listener = TcpListener::bind(at).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (sender, spans) = mpsc::unbounded_channel();
        let server = Server::builder();
        let mut server = match identity {
            None => server,
            Some(identity) => server.tls_config(ServerTlsConfig::new().identity(identity)).expect("a certificate and its key"),
        };
        let service = TraceServiceServer::new(Sink(sender));
        tokio::spawn(server.add_service(service).serve_with_incoming(TcpListenerStream::new(listener)));
        Self { address, spans }
    }

    async fn plain() -> Self {
        Self::start(SocketAddr::from(([127, 0, 0, 1], 0)), None).await
    }

    async fn next(&mut self) -> Exported {
        tokio::time::timeout(PATIENCE, self.spans.recv()).await.expect("in time").expect("a span")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

async fn stop(mut service: UserInfo) -> String {
    service.close_stdin();
    assert!(service.ended().await.success());
    service.log()
}

#[tokio::test]
async fn u1_both_programs_export_and_the_clients_span_is_the_servers_parent() {
    let mut collector = Collector::plain().await;
    let tracing = |share: u8| format!("tracing: {{otlpEndpoint: 'http://{}', percentage: {share}}}", collector.address);
    let who = "service: {name: bbs.user.info, id: one, version: v7}";
    let service = UserInfo::start("drainDelay: 0s", &format!("{who}\n{}", tracing(0))).await;

    let dir = tempfile::tempdir().expect("a folder");
    let who = "service: {name: bbs.user.client, id: caller}";
    let config = format!("discovery: {{addresses: ['{}']}}\n{who}\n{}\nlive: {{userIds: [1]}}\n", service.grpc, tracing(100));
    std::fs::write(dir.path().join("client.yaml"), config).expect("written");
    let (code, stdout, stderr) = run(USER_CLIENT, &["--config", "client.yaml", "--once"], dir.path()).await;
    assert_eq!(code, Some(0), "{stdout}{stderr}");

    let (one, other) = (collector.next().await, collector.next().await);
    let (client, server) = if one.span.kind() == SpanKind::Client { (one, other) } else { (other, one) };
    assert_eq!((client.span.kind(), server.span.kind()), (SpanKind::Client, SpanKind::Server));
    assert_eq!((client.span.name.as_str(), server.span.name.as_str()), (NAME, NAME));
    assert!(client.span.parent_span_id.is_empty(), "the client begins the trace");
    assert_eq!(server.span.parent_span_id, client.span.span_id);
    assert_eq!(server.span.trace_id, client.span.trace_id);
    let port = service.grpc.port();
    let rpc = ["rpc.grpc.status_code=0", "rpc.method=GetUserInfo", "rpc.service=api.user_info.UserInfo", "rpc.system=grpc"];
    let at = ["server.address=127.0.0.1".to_owned(), format!("server.port={port}")];
    let of_server: Vec<_> = rpc.map(str::to_owned).into_iter().chain(at.clone()).collect();
    assert_eq!(server.attributes(), of_server);
    let peer = ["network.peer.address=127.0.0.1".to_owned(), format!("network.peer.port={port}")];
    assert_eq!(client.attributes(), peer.into_iter().chain(of_server).collect::<Vec<_>>());
    for (exported, resource) in [
        (&server, ["service.instance.id=one", "service.name=bbs.user.info", "service.version=v7"]),
        (&client, ["service.instance.id=caller", "service.name=bbs.user.client", concat!("service.version=", env!("CARGO_PKG_VERSION"))]),
    ] {
        assert!(resource.iter().all(|r| exported.resource.iter().any(|seen| seen == r)), "{:?}", exported.resource);
    }
    assert_eq!(service.metric(DROPPED).await, 0);
}

#[tokio::test]
async fn p8_a_recorded_call_is_exported_within_its_callers_trace_and_a_user_that_is_not_there_is_no_error() {
    let mut collector = Collector::plain().await;
    let tracing = format!("tracing: {{otlpEndpoint: 'http://{}', percentage: 100}}", collector.address);
    let service = UserInfo::start("drainDelay: 0s", &tracing).await;
    let ask = |user_id, flags: &str| {
        let mut request = Request::new(GetUserInfoRequest { user_id });
        let context = format!("00-{TRACE}-00f067aa0ba902b7-{flags}");
        request.metadata_mut().insert("traceparent", context.parse().expect("a header's value"));
        request.metadata_mut().insert("tracestate", STATE.parse().expect("a header's value"));
        request
    };
    service.client().get_user_info(ask(1, "00")).await.expect("answered, not recorded");
    service.client().get_user_info(ask(404, "01")).await.expect_err("no such user");
    assert_eq!(service.get("/user_info/404").await.0, 404);
    let http_port = service.http.port();
    stop(service).await;

    let grpc = collector.next().await;
    let parent = (grpc.span.name.as_str(), hex(&grpc.span.trace_id), hex(&grpc.span.parent_span_id));
    assert_eq!(parent, (NAME, TRACE.to_owned(), "00f067aa0ba902b7".to_owned()));
    assert_eq!(grpc.span.trace_state, STATE);
    assert_eq!(grpc.span.status.clone().unwrap_or_default().code(), StatusCode::Unset);
    let attributes = grpc.attributes();
    assert!(attributes.contains(&"rpc.grpc.status_code=5".to_owned()), "{attributes:?}");
    assert!(!attributes.iter().any(|a| a.starts_with("error.type")), "{attributes:?}");

    let http = collector.next().await;
    assert_eq!(http.span.name, "GET /user_info/{userID}");
    assert_eq!(http.span.status.clone().unwrap_or_default().code(), StatusCode::Unset);
    let expected = [
        "http.request.method=GET".to_owned(),
        "http.response.status_code=404".to_owned(),
        "http.route=/user_info/{userID}".to_owned(),
        "server.address=127.0.0.1".to_owned(),
        format!("server.port={http_port}"),
        "url.path=/user_info/404".to_owned(),
        "url.scheme=http".to_owned(),
    ];
    assert_eq!(http.attributes(), expected);
    assert!(collector.spans.try_recv().is_err(), "only calls whose caller records them or does not say");
}

/// A service that makes more spans than fit, and a collector that takes none of them.
async fn losing_spans(collector: SocketAddr) -> UserInfo {
    let service = UserInfo::start("drainDelay: 0s", &format!("tracing: {{otlpEndpoint: 'http://{collector}', percentage: 100}}")).await;
    call(&service, 3000).await;
    eventually("what does not fit is counted", async || service.metric(DROPPED).await > 0).await;
    eventually("it is told of", async || service.log().contains(LOSING)).await;
    service
}

async fn call(service: &UserInfo, calls: usize) {
    let mut client = service.client();
    for _ in 0..calls {
        client.get_user_info(GetUserInfoRequest { user_id: 1 }).await.expect("answered all the same");
    }
}

#[tokio::test]
async fn p8_a_collector_that_never_answers_costs_no_call_and_does_not_hold_up_the_stop() {
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let service = losing_spans(silent.local_addr().expect("bound")).await;
    let stopping = Instant::now();
    let log = stop(service).await;
    assert!(stopping.elapsed() < Duration::from_secs(9), "{:?}, and not until all has been tried", stopping.elapsed());
    assert_eq!(log.matches(LOSING).count(), 1, "{log}");
}

#[tokio::test]
async fn p8_spans_that_a_dead_collector_does_not_take_are_counted_and_told_of_once() {
    let dead = free_address();
    let service = losing_spans(dead).await;
    let _collector = Collector::start(dead, None).await;
    eventually("the loss has ended", async || {
        call(&service, 10).await;
        service.log().contains(REACHED_AGAIN)
    })
    .await;
    let log = stop(service).await;
    assert_eq!((log.matches(LOSING).count(), log.matches(REACHED_AGAIN).count()), (1, 1), "{log}");
}

#[tokio::test]
async fn p8_a_collector_over_tls_is_trusted_by_the_authority_that_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    Authority::new(dir.path()).issue("collector", 1);
    let pem = |file: &str| std::fs::read(dir.path().join("collector").join(file)).expect("issued");
    let identity = Identity::from_pem(pem("tls.crt"), pem("tls.key"));
    let mut collector = Collector::start(SocketAddr::from(([127, 0, 0, 1], 0)), Some(identity)).await;
    // The certificate is for the name.
    let endpoint = format!("https://localhost:{}", collector.address.port());
    let trust = format!("caFile: {}/ca.crt", dir.path().display());
    let export = async |more: &str| {
        let service = UserInfo::start("drainDelay: 0s", &format!("tracing: {{otlpEndpoint: '{endpoint}', percentage: 100{more}}}")).await;
        service.client().get_user_info(GetUserInfoRequest { user_id: 1 }).await.expect("answered");
        stop(service).await
    };
    let log = export(&format!(", {trust}")).await;
    assert_eq!(collector.next().await.span.name, NAME, "{log}");
    let log = export("").await;
    assert!(log.contains(LOSING) || log.contains("the last spans were not exported"), "no public authority knows it: {log}");
    assert!(collector.spans.try_recv().is_err());
}

#[tokio::test]
async fn p8_a_collector_that_cannot_be_used_is_refused_with_the_field_and_a_hint() {
    let dir = tempfile::tempdir().expect("a folder");
    let refused = async |program: &str, rest: &str, tracing: &str| {
        std::fs::write(dir.path().join("bad.yaml"), format!("{rest}tracing: {{{tracing}}}\n")).expect("written");
        let (code, _, stderr) = run(program, &["--config", "bad.yaml"], Path::new(dir.path())).await;
        assert_eq!((code, stderr.lines().count()), (Some(64), 1), "{stderr}");
        stderr
    };
    let addresses = "discovery: {addresses: ['127.0.0.1:9001']}\nadmin: {listen: '127.0.0.1:0'}\n";
    for (program, rest) in [(USER_INFO, IN_MEMORY), (USER_CLIENT, addresses)] {
        let said = refused(program, rest, "otlpEndpoint: '127.0.0.1:4317'").await;
        assert!(said.contains("tracing.otlpEndpoint: \"127.0.0.1:4317\" is not the URL of a collector"), "{said}");
        let said = refused(program, rest, "otlpEndpoint: 'https://localhost:4317', caFile: nowhere.crt").await;
        assert!(said.contains("tracing.caFile: nowhere.crt: cannot be read: "), "{said}");
    }
}
