//! The registry under test, and plain HTTP to it.

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use user_info_local::agent::Agent;
use user_info_testing::consul::Consul;
use user_info_testing::http::Http;
use user_info_testing::wait::{check, eventually};

/// A registry under test.
pub(crate) struct Target {
    /// `host:port`.
    pub(crate) address: String,
    kind: Kind,
    http: Http,
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
        let consul = tokio::task::spawn_blocking(Consul::shared).await.expect("starts");
        consul.ready().await;
        Self::new(consul.address.clone(), Kind::Shared)
    }

    /// Another registry of the same kind that no other test uses.
    pub(crate) async fn own(&self) -> Self {
        match self.kind {
            Kind::Agent { .. } => Self::agent().await,
            Kind::Shared | Kind::Own(_) => {
                let consul = Consul::start().await;
                Self::new(consul.address.clone(), Kind::Own(consul))
            }
        }
    }

    fn new(address: String, kind: Kind) -> Self {
        Self { address, kind, http: Http::default() }
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
        match self.http.ask(method, &format!("http://{}{path}", self.address), body.to_owned()).await {
            Err(error) => Answer { status: 0, index: 0, body: format!("{error:?}") },
            Ok(answer) => {
                let index = answer.headers.get("x-consul-index").map_or(0, |i| i.to_str().expect("text").parse().expect("a number"));
                Answer { status: answer.status, index, body: answer.body }
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
        eventually(&format!("{ids:?} pass"), async || {
            let found = self.passing(service).await;
            check(found == ids, found)
        })
        .await;
    }
}

async fn serve(agent: &Agent, address: &str) -> (String, (oneshot::Sender<()>, JoinHandle<()>)) {
    let listener = TcpListener::bind(address).await.expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(agent.clone().run(listener, async { drop(stopped.await) }));
    (address, (stop, task))
}
