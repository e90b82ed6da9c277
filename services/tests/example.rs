//! The example, run as a program: another service behind the layers.

use std::path::Path;
use std::process::{Child, Command};

use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

#[path = "support/mod.rs"]
mod support;

struct Example(Child);

impl Drop for Example {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn another_service_has_the_limiter_of_user_info() {
    let address = format!("127.0.0.1:{}", support::free_port());
    let program = Path::new(env!("CARGO_BIN_EXE_user_info")).with_file_name("examples/health");
    let _running = Example(Command::new(&program).arg(&address).spawn().expect("cargo builds examples together with tests"));
    let channel = Channel::from_shared(format!("http://{address}")).expect("a URL").connect_lazy();
    let mut client = HealthClient::new(channel);
    support::until("it answers", async || client.check(HealthCheckRequest::default()).await.is_ok()).await;

    // One token each 10 ms, none saved up: of two calls at once, one is refused.
    support::until("it refuses", async || {
        let calls = futures_util::future::join_all((0..2).map(|_| {
            let mut client = client.clone();
            async move { client.check(HealthCheckRequest::default()).await }
        }));
        calls.await.into_iter().filter_map(Result::err).any(|s| s.message() == "service unavailable due to rate limit exceeded")
    })
    .await;
}
