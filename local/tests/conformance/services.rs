//! The services' registrar and watcher on a registry.

use std::future::pending;
use std::time::Duration;

use prometheus::Registry;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use user_info_api::config::{Consul, Discovery, Service};
use user_info_services::registry::{
    Discovered, DiscoveryMetrics, Instance, Problem, Registrar, RegistrarMetrics, RegistrarState, discover,
};
use user_info_testing::wait::eventually;

use crate::target::Target;

/// An instance that listens and is kept registered.
pub(crate) struct Registered {
    pub(crate) id: String,
    pub(crate) state: watch::Receiver<RegistrarState>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    _listener: TcpListener,
}

impl Registered {
    /// Starts an instance of `service` with this id, registered as `consul` says.
    pub(crate) async fn start(consul: &Consul, service: &str, id: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let endpoints = vec![format!("grpc://{}", listener.local_addr().expect("bound"))];
        let service = Service { id: Some(id.to_owned()), weight: 7, version: "v1".to_owned(), ..Service::named(service) };
        let metrics = RegistrarMetrics::new(&Registry::new()).expect("fresh registry");
        let registrar = Registrar::new(consul, "registry.consul", &Instance::new(&service, endpoints), metrics).expect("valid");
        let state = registrar.state();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(registrar.run(async { drop(stopped.await) }));
        Self { id: id.to_owned(), state, stop, task, _listener: listener }
    }

    /// Waits for a state.
    pub(crate) async fn until(&mut self, holds: impl FnMut(&RegistrarState) -> bool) -> RegistrarState {
        let state = timeout(Duration::from_secs(20), self.state.wait_for(holds)).await;
        state.unwrap_or_else(|_| panic!("the state did not come")).expect("runs").clone()
    }

    /// Stops the instance and waits until its registrar has left.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        timeout(Duration::from_secs(5), self.task).await.expect("leaving is bounded").expect("ends");
        assert_eq!(*self.state.borrow(), RegistrarState::Unregistered);
    }
}

/// Agents at these addresses, with a heartbeat each 200 ms.
pub(crate) fn consul(addresses: &[&Target]) -> Consul {
    let addresses = addresses.iter().map(|target| target.address.clone()).collect();
    Consul { addresses, interval: user_info_api::Duration::from_millis(200), ..Consul::default() }
}

/// Follows `service` as `consul` says.
pub(crate) fn follow(consul: Consul, service: &str) -> (watch::Receiver<Discovered>, JoinHandle<()>) {
    let discovery = Discovery { service: service.to_owned(), consul: Some(consul), ..Discovery::default() };
    discover(&discovery, false, DiscoveryMetrics::new(&Registry::new()).expect("fresh registry")).expect("valid")
}

async fn until(found: &mut watch::Receiver<Discovered>, what: &str, holds: impl Fn(&Discovered) -> bool) -> Discovered {
    let seen = timeout(Duration::from_secs(20), found.wait_for(holds)).await;
    seen.unwrap_or_else(|_| panic!("not seen: {what}")).expect("runs").clone()
}

fn ids(found: &Discovered) -> Vec<&str> {
    found.instances.iter().map(|node| node.id.as_str()).collect()
}

pub(crate) async fn registers_passing_and_leaves(on: Target) {
    // the TCP check's first connection would come within this interval: the instance does not wait for it
    let slow = Consul { interval: user_info_api::Duration::from_secs(600), ..consul(&[&on]) };
    let started = Instant::now();
    let mut instance = Registered::start(&slow, "passing", "passing/1").await;
    let state = instance.until(RegistrarState::is_registered).await;
    assert_eq!(state, RegistrarState::Registered { agent: on.address.clone() });
    on.until_passing("passing", &["passing/1"]).await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    instance.stop().await;
    on.until_passing("passing", &[]).await;
}

pub(crate) async fn registers_again_when_forgotten(on: Target) {
    let mut instance = Registered::start(&consul(&[&on]), "forgotten", "forgotten-1").await;
    instance.until(RegistrarState::is_registered).await;
    for _ in 0..2 {
        assert_eq!(on.put("/v1/agent/service/deregister/forgotten-1", "").await.status, 200);
        instance.until(|state| matches!(state, RegistrarState::Failing { .. })).await;
        instance.until(RegistrarState::is_registered).await;
        on.until_passing("forgotten", &["forgotten-1"]).await;
    }
    instance.stop().await;
}

pub(crate) async fn follows_instances_and_keeps_the_last_list(on: Target) {
    let (mut found, task) = follow(consul(&[&on]), "followed");
    until(&mut found, "an empty registry", |d| d.problem == Some(Problem::Empty)).await;

    let mut one = Registered::start(&consul(&[&on]), "followed", "followed-1").await;
    one.until(RegistrarState::is_registered).await;
    let seen = until(&mut found, "the first instance", |d| ids(d) == ["followed-1"] && d.problem.is_none()).await;
    let node = &seen.instances[0];
    assert_eq!((node.version.as_str(), node.weight, node.metadata["weight"].as_str()), ("v1", 7, "7"));
    assert!(seen.updated.is_some());

    let two = Registered::start(&consul(&[&on]), "followed", "followed-2").await;
    until(&mut found, "the second instance", |d| d.instances.len() == 2).await;
    // registered twice under one address, as after a failover: told once
    let twice = json!({"ID": "followed-3", "Name": "followed", "Address": "127.0.0.1", "Port": 1,
        "TaggedAddresses": {"grpc": {"Address": format!("grpc://{}", node.address), "Port": 1}}});
    assert_eq!(on.put("/v1/agent/service/register", twice).await.status, 200);
    until(&mut found, "the newer entry of the address", |d| d.instances.len() == 2 && ids(d).contains(&"followed-3")).await;
    assert_eq!(on.put("/v1/agent/service/deregister/followed-3", "").await.status, 200);

    two.stop().await;
    until(&mut found, "the second instance leaves", |d| ids(d) == ["followed-1"]).await;
    one.stop().await;
    let kept = until(&mut found, "nobody is left", |d| d.problem == Some(Problem::Empty)).await;
    assert_eq!(ids(&kept), ["followed-1"], "the last list stays in use");

    drop(found);
    timeout(Duration::from_secs(5), task).await.expect("ends without receivers").expect("ends well");
}

pub(crate) async fn goes_to_the_next_agent_and_cleans_up(on: Target) {
    let (mut first, second) = tokio::join!(on.own(), on.own());
    let both = consul(&[&first, &second]);
    let mut instance = Registered::start(&both, "moving", "moving-1").await;
    let at = |agent: &str| RegistrarState::Registered { agent: agent.to_owned() };
    let (here, there) = (at(&first.address), at(&second.address));
    instance.until(|state| *state == here).await;

    first.vanish().await;
    instance.until(|state| *state == there).await;
    second.until_passing("moving", &["moving-1"]).await;

    first.come_back().await;
    let gone = async || first.get("/v1/agent/services").await.json().get("moving-1").is_none();
    eventually("the entry left behind is removed", gone).await;
    assert_eq!(*instance.state.borrow(), there, "it stays with the agent that works");
    second.until_passing("moving", &["moving-1"]).await;
    let id = instance.id.clone();
    instance.stop().await;
    second.until_passing("moving", &[]).await;
    assert_eq!(id, "moving-1");
}

/// Only Consul's catalog takes such entries, so there is nothing to try on our own agent.
#[tokio::test]
async fn entries_that_nobody_can_call_hide_no_other() {
    let on = Target::consul().await;
    let (mut found, _task) = follow(consul(&[&on]), "mixed");
    let mut good = Registered::start(&consul(&[&on]), "mixed", "mixed-good").await;
    good.until(RegistrarState::is_registered).await;
    let tagged = json!({"grpc": {"Address": "grpc://127.0.0.1:70000", "Port": 70000}});
    for service in [
        json!({"ID": "mixed-high", "Service": "mixed", "Port": 70000}),
        json!({"ID": "mixed-negative", "Service": "mixed", "Port": -1}),
        json!({"ID": "mixed-tagged", "Service": "mixed", "Port": 1, "TaggedAddresses": tagged}),
    ] {
        let entry = json!({"Node": "elsewhere", "Address": "127.0.0.1", "Service": service});
        assert_eq!(on.put("/v1/catalog/register", entry).await.status, 200);
    }
    until(&mut found, "the good one among three others", |d| ids(d) == ["mixed-good"] && d.invalid == 3 && d.problem.is_none()).await;
    assert_eq!(on.put("/v1/catalog/deregister", json!({"Node": "elsewhere"})).await.status, 200);
    until(&mut found, "the good one alone", |d| ids(d) == ["mixed-good"] && d.invalid == 0).await;
    good.stop().await;
}

/// Agents that are not there: the error names them, and nothing hangs.
#[tokio::test]
async fn says_which_agent_does_not_answer() {
    let nobody = Consul { addresses: vec!["127.0.0.1:1".to_owned()], ..Consul::default() };
    let (mut found, task) = follow(nobody.clone(), "absent");
    let seen = until(&mut found, "an error", |d| d.problem.is_some()).await;
    let problem = seen.problem.map(|p| p.to_string()).unwrap_or_default();
    assert!(problem.starts_with("consul 127.0.0.1:1: GET /v1/health/service/absent?passing=1: Connection refused"), "{problem}");
    drop(found);
    timeout(Duration::from_secs(5), task).await.expect("ends without receivers").expect("ends well");

    let mut instance = Registered::start(&nobody, "absent", "absent-1").await;
    let state = instance.until(|state| *state != RegistrarState::Unregistered).await;
    let RegistrarState::Failing { error, .. } = state else { panic!("{state:?}") };
    assert!(error.starts_with("consul 127.0.0.1:1: PUT /v1/agent/service/register: Connection refused"), "{error}");
    instance.stop().await;
}

/// A registry that stays silent does not hold up a stop.
#[tokio::test]
async fn leaving_is_bounded() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let silent = Consul { addresses: vec![listener.local_addr().expect("bound").to_string()], ..Consul::default() };
    let accept = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept().await {
            held.push(connection);
        }
        pending::<()>().await;
    });
    let instance = Registered::start(&silent, "silent", "silent-1").await;
    tokio::task::yield_now().await;
    instance.stop().await;
    accept.abort();
}
