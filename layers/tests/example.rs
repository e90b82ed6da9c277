//! The example, run as a program: another service behind the layers.

use std::net::TcpListener;
use std::process::{Child, Command};
use std::time::Duration;

use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// Longest wait for anything.
const LIMIT: Duration = Duration::from_secs(20);

struct Example(Child);

impl Drop for Example {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until `holds`.
async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("not in time: {what}"));
}

#[tokio::test]
async fn another_service_has_the_limiter_of_user_info() {
    let address = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port");
    let tests = std::env::current_exe().expect("this test");
    let program = tests.ancestors().nth(2).expect("beside its folder").join("examples/health");
    let _running = Example(Command::new(&program).arg(address.to_string()).spawn().expect("cargo builds examples together with tests"));
    let channel = Channel::from_shared(format!("http://{address}")).expect("a URL").connect_lazy();
    let mut client = HealthClient::new(channel);
    until("it answers", async || client.check(HealthCheckRequest::default()).await.is_ok()).await;

    // One token each 10 ms, none saved up: of two calls at once, one is refused.
    until("it refuses", async || {
        let calls = futures_util::future::join_all((0..2).map(|_| {
            let mut client = client.clone();
            async move { client.check(HealthCheckRequest::default()).await }
        }));
        calls.await.into_iter().filter_map(Result::err).any(|s| s.message() == "service unavailable due to rate limit exceeded")
    })
    .await;
}
