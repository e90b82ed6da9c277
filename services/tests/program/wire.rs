//! What callers see: errors, deadlines, health and reflection.

use std::time::{Duration, Instant};

use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;
use tonic_types::StatusExt;
use user_info_proto::GetUserInfoRequest;

use crate::running::UserInfo;

/// Every call waits for longer than it may.
const SLOW: &str = "live: {faultInjection: {delay: {fixedDelay: 30s}}}";

#[tokio::test]
async fn http_errors_are_json_with_four_keys() {
    let service = UserInfo::start("drainDelay: 0s", "").await;
    for (method, path, code, rest) in [
        ("GET", "/elsewhere", 404, r#""reason":"NOT_FOUND","message":"no such path","metadata":{}}"#),
        ("POST", "/user_info/1", 405, r#""reason":"METHOD_NOT_ALLOWED","message":"this path does not take this method","metadata":{}}"#),
        ("DELETE", "/metrics", 405, r#""reason":"METHOD_NOT_ALLOWED","message":"this path does not take this method","metadata":{}}"#),
        (
            "GET",
            "/user_info/abc",
            400,
            r#""reason":"CODEC","message":"parsing field \"userID\": strconv.ParseInt: parsing \"abc\": invalid syntax","metadata":{}}"#,
        ),
        ("GET", "/user_info/404", 404, r#""reason":"USER_NOT_FOUND","message":"user not found","metadata":{}}"#),
    ] {
        let answer = service.try_http(method, path).await.expect("an answer");
        assert_eq!((answer.status, answer.header("content-type")), (code, "application/json"), "{method} {path}");
        assert_eq!(answer.body, format!(r#"{{"code":{code},{rest}"#), "{method} {path}");
    }
    assert_eq!(service.counted("http", "404", "USER_NOT_FOUND").await, 1);
    let (_, metrics) = service.get("/metrics").await;
    let others = ["NOT_FOUND\"", "METHOD_NOT_ALLOWED", "CODEC"].map(|reason| format!("reason=\"{reason}"));
    assert!(!others.iter().any(|reason| metrics.contains(reason)), "what is no call is not counted: {metrics}");
}

#[tokio::test]
async fn the_same_user_and_the_same_errors_over_grpc() {
    let service = UserInfo::start("drainDelay: 0s", "").await;
    let reply = service.client().get_user_info(GetUserInfoRequest { user_id: 1 }).await.expect("a user").into_inner();
    let user = reply.user.expect("there");
    assert_eq!((user.name.as_str(), user.email.as_str(), user.visits), ("hutao", "hutao@wangshengtang.com", 10086));
    assert_eq!((user.ip.as_str(), reply.ip_addr), ("", service.grpc.to_string()));
    let (_, body) = service.get("/user_info/1").await;
    let user = r#"{"userID":"1","name":"hutao","ip":"","email":"hutao@wangshengtang.com","visits":"10086"}"#;
    assert_eq!(body, format!(r#"{{"user":{user},"ipAddr":"{}"}}"#, service.grpc));

    let status = service.client().get_user_info(GetUserInfoRequest { user_id: 404 }).await.expect_err("no such user");
    let info = status.get_details_error_info().expect("a detail");
    assert_eq!((status.code(), status.message(), info.reason.as_str()), (Code::NotFound, "user not found", "USER_NOT_FOUND"));
    assert_eq!(service.counted("grpc", "0", "").await, 1);
    assert_eq!(service.counted("grpc", "404", "USER_NOT_FOUND").await, 1);
}

#[tokio::test]
async fn calls_end_with_504_at_the_servers_timeout() {
    let service = UserInfo::start("drainDelay: 0s, timeout: 200ms", SLOW).await;
    let begun = Instant::now();
    let (status, body) = service.get("/user_info/1").await;
    assert_eq!(status, 504);
    assert_eq!(body, r#"{"code":504,"reason":"TIMEOUT","message":"context deadline exceeded","metadata":{}}"#);
    let status = service.client().get_user_info(GetUserInfoRequest { user_id: 1 }).await.expect_err("too slow");
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!((400..10_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
    for kind in ["http", "grpc"] {
        assert_eq!(service.counted(kind, "504", "TIMEOUT").await, 1, "{kind}");
    }
}

#[tokio::test]
async fn a_callers_shorter_deadline_wins() {
    let service = UserInfo::start("drainDelay: 0s, timeout: 1h", SLOW).await;
    let mut request = Request::new(GetUserInfoRequest { user_id: 1 });
    request.set_timeout(Duration::from_millis(100));
    let status = service.client().get_user_info(request).await.expect_err("too slow");
    assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, "context deadline exceeded"));
    assert_eq!(service.counted("grpc", "504", "TIMEOUT").await, 1);
}

#[tokio::test]
async fn health_and_reflection_answer() {
    let service = UserInfo::start("drainDelay: 0s", "").await;
    let mut health = HealthClient::with_origin(UserInfo::channel(), service.origin());
    for name in ["", "api.user_info.UserInfo"] {
        let answer = health.check(HealthCheckRequest { service: name.to_owned() }).await.expect("known").into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{name:?}");
    }
    let unknown = health.check(HealthCheckRequest { service: "other".to_owned() }).await.expect_err("unknown");
    assert_eq!(unknown.code(), Code::NotFound);

    let list = ServerReflectionRequest { host: String::new(), message_request: Some(MessageRequest::ListServices(String::new())) };
    let mut reflection = ServerReflectionClient::with_origin(UserInfo::channel(), service.origin());
    let mut answers = reflection.server_reflection_info(tokio_stream::iter([list])).await.expect("answers").into_inner();
    let answer = answers.message().await.expect("no error").expect("one answer").message_response;
    let Some(MessageResponse::ListServicesResponse(services)) = answer else { panic!("{answer:?}") };
    let names: Vec<_> = services.service.into_iter().map(|s| s.name).collect();
    for name in ["api.user_info.UserInfo", "grpc.health.v1.Health"] {
        assert!(names.iter().any(|n| n == name), "{names:?}");
    }
}
