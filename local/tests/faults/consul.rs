//! The registry dies, forgets, stands still, and is cut off from one instance.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};
use user_info_testing::config::IN_MEMORY;
use user_info_testing::consul::Consul;
use user_info_testing::http::{get, get_json};
use user_info_testing::metrics::Metrics;
use user_info_testing::system::System;
use user_info_testing::wait::{check, eventually};

use crate::instance::Instance;
use crate::measure::Watch;
use crate::proxy::{Mode, Proxy};

async fn start() -> (Consul, SocketAddr) {
    let consul = Consul::start().await;
    let address = consul.address.parse().expect("an address");
    (consul, address)
}

/// Two instances and a caller that find each other by the Consul at `agent`.
async fn system(agent: SocketAddr) -> System {
    let registry = format!("  addons: {{consul: {{mode: External, external: {{address: '{agent}'}}}}}}");
    System::start(&format!("  replicas: 2\n  client: {{requestsPerSecond: 400, concurrency: 8}}\n{registry}")).await
}

/// Instances whose checks pass.
async fn passing(agent: SocketAddr) -> usize {
    get_json(agent, "/v1/health/service/bbs.user.info?passing=1").await.as_array().map_or(0, Vec::len)
}

async fn until_passing(agent: SocketAddr, instances: usize) {
    eventually("the registry knows the instances", async || {
        let passing = passing(agent).await;
        check(passing == instances, passing)
    })
    .await;
}

/// Whether the instance knows that the registry does not know it, and is ready all the same.
async fn serves_without(http: SocketAddr) -> Result<(), Value> {
    let (status, report) = get(http, "/readyz").await;
    assert_eq!(status, 200, "{report}");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    let part = report["parts"].as_array().expect("parts").iter().find(|part| part["name"] == "registry").cloned();
    check(part.is_some_and(|part| part["ok"] == false), ()).map_err(|()| report)
}

#[tokio::test]
async fn consul_killed_is_lived_without_and_restarted_empty_everyone_registers_again() {
    let (mut consul, agent) = start().await;
    let system = system(agent).await;
    until_passing(agent, 2).await;
    let watch = Watch::start(&system, 200.0).await;

    let begun = Instant::now();
    consul.kill();
    for instance in system.instances() {
        eventually("the instance misses the registry", async || serves_without(instance.http).await).await;
    }
    watch.until_well(400.0).await;
    println!("Consul killed for {:.1} s: {}", begun.elapsed().as_secs_f64(), watch.cost(begun));
    let restarted = Instant::now();
    consul.restart().await;
    until_passing(agent, 2).await;
    println!("everyone is registered again {:.1} s after the start of an empty Consul", restarted.elapsed().as_secs_f64());
    eventually("the caller is registered again", async || {
        let services = get_json(agent, "/v1/agent/services").await;
        check(services.get("system-user_client").is_some(), services)
    })
    .await;
    watch.until_well(400.0).await;
    let cost = watch.cost(begun);
    println!("Consul killed and restarted empty: {cost}");
    assert_eq!(cost.failed, 0.0, "{cost:?}");
    let now = system.processes().await;
    assert!(now.iter().all(|p| p.restarts == 0), "{now:?}");
}

#[tokio::test]
async fn consul_standing_still_is_noticed_and_costs_no_call() {
    let (consul, agent) = start().await;
    let system = system(agent).await;
    until_passing(agent, 2).await;
    let watch = Watch::start(&system, 200.0).await;
    let client = system.row("user_client").http;

    let begun = Instant::now();
    consul.freeze(true);
    eventually("the caller notices", async || {
        let failures = Metrics::of(client).await.sum("bbs_discovery_failures_total", &[]);
        check(failures > 0.0, failures)
    })
    .await;
    println!("Consul stands still: the caller notices after {:.1} s", begun.elapsed().as_secs_f64());
    assert!(begun.elapsed() < Duration::from_secs(30), "a blocking query lasts 58 s and more");
    for instance in system.instances() {
        eventually("the instance misses the registry", async || serves_without(instance.http).await).await;
    }
    consul.freeze(false);
    until_passing(agent, 2).await;
    watch.until_well(400.0).await;
    let cost = watch.cost(begun);
    println!("Consul stood still: {cost}");
    assert_eq!(cost.failed, 0.0, "{cost:?}");
}

#[tokio::test]
async fn an_instance_cut_off_from_consul_is_left_out_and_comes_back() {
    let (_consul, agent) = start().await;
    let system = system(agent).await;
    let proxy = Proxy::start(&agent.to_string()).await;
    let registry = format!("registry: {{consul: {{addresses: ['{}'], interval: 500ms}}}}\n", proxy.address);
    let third = Instance::start("drainDelay: 0s", &format!("{IN_MEMORY}{registry}")).await;
    until_passing(agent, 3).await;
    let served = async || Metrics::of(third.http).await.server_codes().of("0");
    let until_called = async |more: f64| {
        let before = served().await;
        eventually("the third instance is called", async || {
            let now = served().await;
            check(now >= before + more, now)
        })
        .await;
    };
    until_called(50.0).await;
    let watch = Watch::start(&system, 200.0).await;

    let begun = Instant::now();
    proxy.set(Mode::Refuse);
    until_passing(agent, 2).await;
    println!("the registry leaves the instance out after {:.1} s", begun.elapsed().as_secs_f64());
    eventually("the instance misses the registry", async || serves_without(third.http).await).await;
    eventually("nobody calls it any more", async || {
        let before = served().await;
        sleep(Duration::from_millis(300)).await;
        let now = served().await;
        check(now == before, now - before)
    })
    .await;
    let healed = Instant::now();
    proxy.set(Mode::Carry);
    until_passing(agent, 3).await;
    until_called(50.0).await;
    println!("it is called again {:.1} s after it is let through", healed.elapsed().as_secs_f64());
    watch.until_well(200.0).await;
    let cost = watch.cost(begun);
    println!("one instance cut off from Consul: {cost}");
    assert_eq!(cost.failed, 0.0, "{cost:?}");
}
