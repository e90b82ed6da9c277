//! How `user_info` stops.

use std::net::TcpStream;
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use user_info_proto::GetUserInfoRequest;
use user_info_testing::wait::eventually;

use crate::running::UserInfo;

const IN_FLIGHT: &str = "bbs_user_info_server_requests_in_flight{kind=\"grpc\",operation=\"/api.user_info.UserInfo/GetUserInfo\"}";

/// Every call takes this long.
fn taking(time: &str) -> String {
    format!("live: {{faultInjection: {{delay: {{fixedDelay: {time}}}}}}}")
}

#[tokio::test]
async fn told_to_stop_it_says_so_serves_on_and_finishes_the_calls_in_flight() {
    let mut service = UserInfo::start("drainDelay: 2s, shutdownTimeout: 20s, timeout: 20s", &taking("4s")).await;
    assert_eq!(service.get("/readyz").await.0, 200);
    let mut client = service.client();
    let begun = Instant::now();
    let call = tokio::spawn(async move { client.get_user_info(GetUserInfoRequest { user_id: 1 }).await });
    eventually("the call is in flight", async || service.metric(IN_FLIGHT).await == 1).await;

    service.signal(Signal::TERM);
    eventually("not ready any more", async || service.get("/readyz").await.0 == 503).await;
    let (_, report) = service.get("/readyz").await;
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!((&report["ready"], &report["draining"]), (&false.into(), &true.into()), "{report}");
    let mut health = HealthClient::with_origin(UserInfo::channel(), service.origin());
    let answer = health.check(HealthCheckRequest::default()).await.expect("it serves on").into_inner();
    assert_eq!(answer.status(), ServingStatus::NotServing);
    assert_eq!(service.get("/user_info/abc").await.0, 400, "new calls are served until the drain delay is over");

    let reply = call.await.expect("no panic").expect("the call in flight is finished").into_inner();
    assert_eq!(reply.user.expect("there").name, "hutao");
    assert!(begun.elapsed().as_secs() >= 4, "it took as long as it had to");
    assert_eq!(service.ended().await.code(), Some(0));
    assert!(TcpStream::connect(service.http).is_err() && TcpStream::connect(service.grpc).is_err());
}

#[tokio::test]
async fn calls_that_take_too_long_are_cut_off() {
    let mut service = UserInfo::start("drainDelay: 0s, shutdownTimeout: 300ms, timeout: 1h", &taking("1h")).await;
    let mut client = service.client();
    let call = tokio::spawn(async move { client.get_user_info(GetUserInfoRequest { user_id: 1 }).await });
    eventually("the call is in flight", async || service.metric(IN_FLIGHT).await == 1).await;
    service.signal(Signal::INT);
    assert_eq!(service.ended().await.code(), Some(0));
    call.await.expect("no panic").expect_err("cut off");
}

#[tokio::test]
async fn told_twice_it_ends_at_once() {
    let mut service = UserInfo::start("drainDelay: 10m", "").await;
    service.signal(Signal::TERM);
    eventually("not ready any more", async || service.get("/readyz").await.0 == 503).await;
    service.signal(Signal::TERM);
    assert_eq!(service.ended().await.code(), Some(130));
}

#[tokio::test]
async fn it_stops_when_its_supervisor_is_gone() {
    let mut service = UserInfo::start("drainDelay: 0s", "").await;
    service.close_stdin();
    assert_eq!(service.ended().await.code(), Some(0));
}
