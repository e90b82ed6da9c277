use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Full};
use proptest::prelude::*;
use prost::Message;
use tonic::Code;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tower::{Layer, ServiceExt};
use user_info_layers::middleware::receive::ReceiveLayer;

use super::*;

/// The status of the answer to a request with this body and these headers.
fn status(body: Vec<u8>, headers: &[(&str, String)]) -> Code {
    let stack = ReceiveLayer.layer(tower::service_fn(async |call: Call<GetUserInfoRequest>| {
        assert_eq!(call.operation, GET_USER_INFO);
        Ok::<_, Error>(GetUserInfoReply { user: None, ip_addr: "a:1".into() })
    }));
    let mut request = http::Request::post(GET_USER_INFO).header("content-type", "application/grpc").header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let request = request.body(Full::new(Bytes::from(body))).expect("valid");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let response = Grpc::new(stack, Capacity::unbounded()).oneshot(request).await.expect("infallible");
        assert_eq!(response.status(), 200);
        let (head, body) = response.into_parts();
        let trailers = body.collect().await.expect("whole").trailers().cloned().unwrap_or_default();
        Status::from_header_map(&head.headers).or_else(|| Status::from_header_map(&trailers)).expect("a status").code()
    })
}

fn frame(flag: u8, length: u32, message: &[u8]) -> Vec<u8> {
    [&[flag], &length.to_be_bytes()[..], message].concat()
}

fn right(message: &[u8]) -> Vec<u8> {
    frame(0, u32::try_from(message.len()).expect("short"), message)
}

#[test]
fn a_message_as_it_should_be_is_answered() {
    assert_eq!(status(right(&GetUserInfoRequest { user_id: -1 }.encode_to_vec()), &[]), Code::Ok);
}

#[test]
fn lengths_that_lie_are_refused() {
    for length in [1, 0xffff, 4 << 20, (4 << 20) + 1, u32::MAX] {
        let code = status(frame(0, length, &[]), &[]);
        assert!(matches!(code, Code::Internal | Code::OutOfRange | Code::InvalidArgument), "{length}: {code:?}");
    }
    assert_ne!(status(frame(1, 0, &[]), &[]), Code::Ok, "compressed, and does not say how");
}

/// What grpcurl asks when it shows an error.
#[tokio::test]
async fn p9_reflection_knows_what_errors_are_made_of() {
    let (routes, _reporter) = health_and_reflection().expect("descriptors");
    let ask = async |question: MessageRequest| {
        let request = ServerReflectionRequest { host: String::new(), message_request: Some(question) };
        let mut client = ServerReflectionClient::new(routes.clone());
        let mut answers = client.server_reflection_info(stream::iter([request])).await.expect("known").into_inner();
        answers.message().await.expect("no error").expect("an answer").message_response
    };
    let file = |answer| {
        let Some(MessageResponse::FileDescriptorResponse(file)) = answer else { panic!("no file: {answer:?}") };
        String::from_utf8_lossy(&file.file_descriptor_proto.concat()).into_owned()
    };
    for name in ["ErrorInfo", "BadRequest", "RetryInfo", "Status"] {
        let found = file(ask(MessageRequest::FileContainingSymbol(format!("google.rpc.{name}"))).await);
        assert!(found.contains(name), "{found}");
    }
    for import in ["any", "duration"] {
        let name = format!("google/protobuf/{import}.proto");
        assert!(file(ask(MessageRequest::FileByFilename(name.clone())).await).contains(&name));
    }
    let services = ask(MessageRequest::ListServices(String::new())).await;
    let Some(MessageResponse::ListServicesResponse(services)) = services else { panic!("no list: {services:?}") };
    let mut names: Vec<_> = services.service.into_iter().map(|service| service.name).collect();
    names.sort_unstable();
    assert_eq!(names, ["api.user_info.UserInfo", "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"]);
}

proptest! {
    /// Bytes that are no frame, and frames that hold no message, are refused and nothing else.
    #[test]
    fn any_bytes_are_answered(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        status(body, &[]);
    }

    /// A frame of the right length may hold anything.
    #[test]
    fn any_message_is_read_or_refused(message in proptest::collection::vec(any::<u8>(), 0..200)) {
        let code = status(right(&message), &[]);
        prop_assert_eq!(code == Code::Ok, GetUserInfoRequest::decode(message.as_slice()).is_ok(), "{:?}", code);
    }

    /// Headers that mean something to gRPC may say anything.
    #[test]
    fn any_headers_are_answered(timeout in "[ -~]{0,20}", encoding in "[ -~]{0,20}", metadata in "[ -~]{0,60}") {
        let message = right(&GetUserInfoRequest { user_id: 1 }.encode_to_vec());
        let headers = [("grpc-timeout", timeout), ("grpc-accept-encoding", encoding), ("x-md-global-bin", metadata)];
        prop_assert_eq!(status(message, &headers), Code::Ok);
    }
}
