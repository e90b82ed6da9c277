//! What holds before and after every fault.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};
use user_info_testing::http::Http;
use user_info_testing::metrics::Metrics;
use user_info_testing::process::{descriptors, memory};

use super::world::World;

/// Time in which everything has to be well again after a fault.
const DEADLINE: Duration = Duration::from_secs(60);
/// Most memory of a process of the system, in a debug build.
const MEMORY: u64 = 256 << 20;
/// Most file descriptors of a process of the system.
const DESCRIPTORS: usize = 200;
/// Calls in flight that the client makes at most.
const CONCURRENCY: f64 = 16.0;

/// What was checked, and what did not hold.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) checked: usize,
    pub(super) failed: Vec<String>,
}

impl Outcome {
    fn note(&mut self, what: &str, result: Result<(), String>) {
        self.checked += 1;
        if let Err(seen) = result {
            self.failed.push(format!("{what}: {seen}"));
        }
    }
}

/// Checks all of it; what takes time has until the deadline.
pub(super) async fn all(world: &mut World) -> Outcome {
    let deadline = Instant::now() + DEADLINE;
    let mut outcome = Outcome::default();
    let world = &*world;
    outcome.note("every process is ready, and restarted only if it was killed", until(deadline, async || processes(world).await).await);
    outcome.note("every instance answers with the user", until(deadline, async || users(world).await).await);
    outcome.note("every instance confirms the last spec", until(deadline, async || generations(world).await).await);
    outcome.note("the registry knows every instance", until(deadline, async || registered(world).await).await);
    outcome.note("every process keeps within its memory and descriptors", until(deadline, async || bounded(world).await).await);
    world.watch().until_well(50.0).await;
    outcome.note("calls succeed", Ok(()));
    world.beside.watch.until_well(20.0).await;
    outcome.note("calls through a proxy that ends connections succeed", Ok(()));
    outcome.note("calls, times and calls in flight add up", until(deadline, async || counters(world).await).await);
    outcome.note("nothing panicked", panics(world));
    outcome
}

async fn until(deadline: Instant, mut holds: impl AsyncFnMut() -> Result<(), String>) -> Result<(), String> {
    loop {
        let result = holds().await;
        if result.is_ok() || Instant::now() > deadline {
            return result;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

async fn json(address: std::net::SocketAddr, path: &str) -> Result<Value, String> {
    let (_, text) = Http::default().get(address, path).await.ok_or_else(|| format!("{address}{path}: no answer"))?;
    serde_json::from_str(&text).map_err(|e| format!("{address}{path}: {e}: {text}"))
}

fn holds(holds: bool, seen: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(seen()) }
}

async fn processes(world: &World) -> Result<(), String> {
    let now = world.system.processes().await;
    let well = now.iter().filter(|p| p.name.starts_with("user_")).all(|p| {
        let killed = world.killed.get(&p.name).copied().unwrap_or_default();
        p.state == "ready" && p.restarts == killed
    });
    holds(well, || format!("{now:?}"))
}

async fn users(world: &World) -> Result<(), String> {
    for instance in world.system.instances() {
        let reply = json(instance.http, "/user_info/1").await?;
        let ready = json(instance.http, "/readyz").await?;
        let well = reply.pointer("/user/name").is_some_and(|name| name == "hutao") && ready["ready"] == true;
        holds(well, || format!("{}: {reply}, {ready}", instance.name))?;
    }
    Ok(())
}

async fn generations(world: &World) -> Result<(), String> {
    for process in world.system.instances().iter().chain([world.system.row("user_client")]) {
        let config = json(process.http, "/config").await?;
        holds(config["generation"] == world.generation, || {
            format!("{}: generation {} instead of {}", process.name, config["generation"], world.generation)
        })?;
    }
    let snapshot = world.system.snapshot().await;
    holds(snapshot["generation"] == world.generation && snapshot["problem"].is_null(), || snapshot.to_string())
}

async fn registered(world: &World) -> Result<(), String> {
    let agent = world.consul.address.parse().expect("an address");
    let found = json(agent, "/v1/health/service/bbs.user.info?passing=1").await?;
    holds(found.as_array().is_some_and(|found| found.len() == World::REPLICAS), || found.to_string())
}

async fn bounded(world: &World) -> Result<(), String> {
    for process in world.system.processes().await {
        let Some(pid) = process.pid else { continue };
        let (memory, descriptors) = (memory(pid), descriptors(pid));
        holds(memory < MEMORY && descriptors < DESCRIPTORS, || format!("{}: {memory} bytes, {descriptors} descriptors", process.name))?;
    }
    Ok(())
}

async fn counters(world: &World) -> Result<(), String> {
    for instance in world.system.instances() {
        let (_, text) = Http::default().get(instance.http, "/metrics").await.ok_or("no answer")?;
        let metrics = Metrics::read(text);
        let timed = metrics.sum("bbs_user_info_server_requests_duration_sec_count", &[]);
        let counted = metrics.server_codes().total();
        let in_flight = metrics.sum("bbs_user_info_server_requests_in_flight", &[]);
        let waiting = metrics.sum("bbs_user_info_store_queue_depth", &[]);
        // A call may end between the reading of the two.
        let well =
            (timed - counted).abs() <= CONCURRENCY && (0.0..=CONCURRENCY).contains(&in_flight) && (0.0..=CONCURRENCY).contains(&waiting);
        holds(well, || format!("{}: {timed} timed, {counted} counted, {in_flight} in flight, {waiting} waiting", instance.name))?;
        holds(metrics.sum("bbs_user_info_panics_total", &[]) == 0.0, || format!("{}: a handler panicked", instance.name))?;
    }
    Ok(())
}

fn panics(world: &World) -> Result<(), String> {
    let found = world.system.logged("panic");
    holds(found.is_empty(), || found.join("\n"))
}
