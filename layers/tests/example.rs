//! The example, run as a program: another service behind the layers.

use std::process::Command;

use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use user_info_testing::port::free_address;
use user_info_testing::process::Process;
use user_info_testing::program::built;
use user_info_testing::wait::eventually;

#[tokio::test]
async fn another_service_has_the_limiter_of_user_info() {
    let address = free_address().to_string();
    let _running = Process::start(Command::new(built("examples/health")).arg(&address));
    let channel = Channel::from_shared(format!("http://{address}")).expect("a URL").connect_lazy();
    let mut client = HealthClient::new(channel);
    eventually("it answers", async || client.check(HealthCheckRequest::default()).await.is_ok()).await;

    // One token each 10 ms, none saved up: of two calls at once, one is refused.
    eventually("it refuses", async || {
        let calls = futures_util::future::join_all((0..2).map(|_| {
            let mut client = client.clone();
            async move { client.check(HealthCheckRequest::default()).await }
        }));
        calls.await.into_iter().filter_map(Result::err).any(|s| s.message() == "service unavailable due to rate limit exceeded")
    })
    .await;
}
