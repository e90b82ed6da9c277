//! The registry under test, and plain HTTP to it.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use user_info_local::agent::Agent;

use crate::consul::Consul;

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(20);

/// A registry under test.
pub(crate) struct Target {
    /// `host:port`.
    pub(crate) address: String,
    kind: Kind,
    http: Client<HttpConnector, Full<Bytes>>,
}

enum Kind {
    Agent { agent: Agent, running: Option<(oneshot::Sender<()>, JoinHandle<()>)> },
    Shared,
    Own(Consul),
}

/// What a request was answered with.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) index: u64,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

impl Target {
    /// Our agent, in this process.
    pub(crate) async fn agent() -> Self {
        let agent = Agent::default();
        let (address, running) = serve(&agent, "127.0.0.1:0").await;
        Self::new(address, Kind::Agent { agent, running: Some(running) })
    }

    /// The Consul that tests share.
    pub(crate) async fn consul() -> Self {
        let address = tokio::task::spawn_blocking(|| Consul::shared().address.clone()).await.expect("starts");
        Self::new(address, Kind::Shared).ready().await
    }

    /// Another registry of the same kind that no other test uses.
    pub(crate) async fn own(&self) -> Self {
        match self.kind {
            Kind::Agent { .. } => Self::agent().await,
            Kind::Shared | Kind::Own(_) => {
                let consul = Consul::start("", false);
                Self::new(consul.address.clone(), Kind::Own(consul)).ready().await
            }
        }
    }

    fn new(address: String, kind: Kind) -> Self {
        Self { address, kind, http: Client::builder(TokioExecutor::new()).build_http() }
    }

    /// Waits until the registry takes registrations.
    async fn ready(self) -> Self {
        eventually("consul starts", || self.get("/v1/catalog/services"), |answer| answer.body.contains("consul")).await;
        self
    }

    /// Makes the registry unreachable; what is registered stays.
    pub(crate) async fn vanish(&mut self) {
        match &mut self.kind {
            Kind::Agent { running, .. } => {
                let (stop, task) = running.take().expect("runs");
                drop(stop);
                task.await.expect("ends");
            }
            Kind::Own(consul) => consul.freeze(true),
            Kind::Shared => panic!("others use it"),
        }
    }

    /// Makes the registry reachable again.
    pub(crate) async fn come_back(&mut self) {
        match &mut self.kind {
            Kind::Agent { agent, running } => *running = Some(serve(agent, &self.address).await.1),
            Kind::Own(consul) => consul.freeze(false),
            Kind::Shared => panic!("others use it"),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, "").await
    }

    pub(crate) async fn put(&self, path: &str, body: impl ToString) -> Answer {
        self.call("PUT", path, &body.to_string()).await
    }

    /// Sends a request; one that cannot be sent is answered with status 0.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str) -> Answer {
        let uri = format!("http://{}{path}", self.address);
        let request = ::http::Request::builder().method(method).uri(uri).body(Full::from(body.to_owned())).expect("a request");
        match self.http.request(request).await {
            Err(error) => Answer { status: 0, index: 0, body: format!("{error:?}") },
            Ok(answer) => {
                let status = answer.status().as_u16();
                let index = answer.headers().get("x-consul-index").map_or(0, |i| i.to_str().expect("text").parse().expect("a number"));
                let body = answer.into_body().collect().await.expect("a body").to_bytes();
                Answer { status, index, body: String::from_utf8(body.to_vec()).expect("text") }
            }
        }
    }

    /// Ids of the instances of `service` whose checks pass.
    pub(crate) async fn passing(&self, service: &str) -> Vec<String> {
        let answer = self.get(&format!("/v1/health/service/{service}?passing=1")).await;
        let ids = |answer: Value| {
            answer.as_array().expect("a list").iter().map(|e| e["Service"]["ID"].as_str().expect("an id").to_owned()).collect()
        };
        if answer.status == 200 { ids(answer.json()) } else { Vec::new() }
    }

    /// Waits until exactly `ids` are passing.
    pub(crate) async fn until_passing(&self, service: &str, ids: &[&str]) {
        eventually(&format!("{ids:?} pass"), || self.passing(service), |found| found == ids).await;
    }
}

async fn serve(agent: &Agent, address: &str) -> (String, (oneshot::Sender<()>, JoinHandle<()>)) {
    let listener = TcpListener::bind(address).await.expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let (stop, stopped) = oneshot::channel::<()>();
    let run = agent.clone().run(listener, async { drop(stopped.await) });
    let task = tokio::spawn(async { run.await.expect("serves") });
    (address, (stop, task))
}

/// Asks until `holds`; panics with what was last seen if it takes too long.
pub(crate) async fn eventually<T: std::fmt::Debug, F>(what: &str, mut ask: impl FnMut() -> F, holds: impl Fn(&T) -> bool) -> T
where
    F: Future<Output = T>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = ask().await;
        if holds(&seen) {
            return seen;
        }
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}; last seen: {seen:?}");
        sleep(Duration::from_millis(20)).await;
    }
}
