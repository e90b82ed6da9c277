//! Spans reach a collector over OTLP, within the caller's trace.

use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{TraceService, TraceServiceServer};
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::trace::v1::Span;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};
use user_info_api::config::UserInfoConfig;
use user_info_proto::user_info_client::UserInfoClient;
use user_info_proto::{GET_USER_INFO, GetUserInfoRequest};
use user_info_services::server::{self, Listeners};
use user_info_testing::port::free_ports;
use user_info_testing::wait::eventually;

const LIMIT: Duration = Duration::from_secs(20);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Hands on what it is sent.
struct Collector(mpsc::UnboundedSender<Span>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(&self, request: Request<ExportTraceServiceRequest>) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let spans = request.into_inner().resource_spans.into_iter().flat_map(|r| r.scope_spans).flat_map(|s| s.spans);
        spans.for_each(|span| self.0.send(span).expect("the test waits"));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recorded_call_is_exported_within_its_callers_trace() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let collector = listener.local_addr().expect("bound");
    let (sender, mut spans) = mpsc::unbounded_channel();
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(Collector(sender)))
            .serve_with_incoming(TcpListenerStream::new(listener)),
    );

    let [grpc, http] = free_ports();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("user_info.yaml");
    let text = format!(
        "service: {{name: bbs.user.info}}\n\
         server: {{grpc: {{listen: '127.0.0.1:{grpc}'}}, http: {{listen: '127.0.0.1:{http}'}}, workers: 1, drainDelay: 0s}}\n\
         users: {{memory: true}}\nviews: {{memory: true}}\ntracing: {{otlpEndpoint: 'http://{collector}', percentage: 0}}\n"
    );
    std::fs::write(&file, &text).expect("written");
    let config: UserInfoConfig = user_info_services::config::load(&file).expect("valid");
    let listeners = Listeners::bind(&config.server).expect("free ports");
    let (stop, stopped) = oneshot::channel::<()>();
    let service = tokio::spawn(async move {
        let told = async {
            let _ = stopped.await;
            "the test"
        };
        server::run(|_| Ok(listeners), config, Some(&file), told).await
    });

    let mut client = eventually("it serves", async || UserInfoClient::connect(format!("http://127.0.0.1:{grpc}")).await).await;
    let ask = |user_id, flags: &str| {
        let mut request = Request::new(GetUserInfoRequest { user_id });
        let context = format!("00-{TRACE}-00f067aa0ba902b7-{flags}");
        request.metadata_mut().insert("traceparent", context.parse().expect("a header's value"));
        request
    };
    client.get_user_info(ask(1, "00")).await.expect("answered, not recorded");
    client.get_user_info(ask(404, "01")).await.expect_err("no such user");
    stop.send(()).expect("it runs");
    tokio::time::timeout(LIMIT, service).await.expect("stops in time").expect("no panic").expect("served");

    let span = tokio::time::timeout(LIMIT, spans.recv()).await.expect("in time").expect("a span");
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    assert_eq!(
        (span.name.as_str(), hex(&span.trace_id).as_str(), hex(&span.parent_span_id).as_str()),
        (GET_USER_INFO, TRACE, "00f067aa0ba902b7")
    );
    assert_eq!(span.status.expect("set").message, "USER_NOT_FOUND");
    assert!(spans.try_recv().is_err(), "only the call whose caller records it");
}
