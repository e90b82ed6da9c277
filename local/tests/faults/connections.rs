//! Proxies and servers that end connections in the ordinary course: nginx after so many requests, `HAProxy` when it is idle or reloaded, grpc-go
//! after so much time.

use std::net::SocketAddr;
use std::process::Command;

use user_info_testing::config::IN_MEMORY;
use user_info_testing::haproxy::Haproxy;
use user_info_testing::metrics::{Codes, Metrics};
use user_info_testing::nginx::Nginx;
use user_info_testing::port::{free_address, until_open};
use user_info_testing::process::Process;
use user_info_testing::program::tool;
use user_info_testing::wait::{check, eventually};

use crate::instance::{Caller, Instance};

/// As fast as replies come, and by the clock.
const LOADS: [&str; 2] = ["concurrency: 8", "concurrency: 50, requestsPerSecond: 500"];

/// How far from its share an instance may be under each. A machine that is busy makes the next connection late, which is a larger part of
/// the time that a closed loop takes.
const WITHIN: [f64; 2] = [0.5, 0.15];

fn paced(load: &str) -> bool {
    load == LOADS[1]
}

/// A server of grpc-go that answers `GetUserInfo`; killed when dropped.
struct GrpcGo {
    address: SocketAddr,
    _process: Process,
}

impl GrpcGo {
    /// Starts it with these flags; see `hack/cluster/go/grpc-server`.
    async fn start(flags: &[&str]) -> Self {
        let address = free_address();
        let process = Process::start(Command::new(tool("grpc-server")).arg("-listen").arg(address.to_string()).args(flags));
        until_open(address).await;
        Self { address, _process: process }
    }
}

/// Makes at least so many `calls` at `instances` under this load.
async fn call(instances: &[SocketAddr], load: &str, calls: f64) -> (Caller, Codes) {
    let caller = Caller::start(instances, load).await;
    let seen = eventually("calls are made", async || {
        let seen = Metrics::of(caller.metrics).await.client_codes();
        if seen.total() >= calls { Ok(seen) } else { Err(seen) }
    })
    .await;
    (caller, seen)
}

/// The same, and none of them fails.
async fn none_fails(what: &str, instances: &[SocketAddr], load: &str, calls: f64) -> Caller {
    let (caller, seen) = call(instances, load, calls).await;
    println!("{what}, {load}: {seen:?}");
    assert_eq!(seen.other_than(&["0"]), 0.0, "{what}, {load}: {seen:?}");
    caller
}

/// Each of the instances gets its share, within this part of it.
async fn shared(caller: &Caller, instances: &[SocketAddr], within: f64) {
    let metrics = Metrics::of(caller.metrics).await;
    let calls = |instance: &SocketAddr| metrics.sum("bbs_user_client_instance_requests_total", &[&format!("instance=\"{instance}\"")]);
    let calls: Vec<f64> = instances.iter().map(calls).collect();
    let fair = calls.iter().sum::<f64>() / calls.len() as f64;
    assert!(calls.iter().all(|calls| (calls - fair).abs() < within * fair), "{calls:?}");
}

#[tokio::test]
async fn an_nginx_with_its_defaults_before_one_instance_costs_no_call() {
    let instance = Instance::start("drainDelay: 0s", IN_MEMORY).await;
    let nginx = Nginx::start(instance.grpc, "").await;
    // It ends a connection with its thousandth request.
    for load in LOADS {
        none_fails("nginx", &[nginx.address], load, 3500.0).await;
    }
}

#[tokio::test]
async fn an_nginx_before_each_of_several_instances_costs_no_call_and_no_share() {
    let instances = [Instance::start("drainDelay: 0s", IN_MEMORY).await, Instance::start("drainDelay: 0s", IN_MEMORY).await];
    let proxies = [Nginx::start(instances[0].grpc, "").await, Nginx::start(instances[1].grpc, "keepalive_requests 300;").await];
    let addresses = proxies.each_ref().map(|proxy| proxy.address);
    for load in LOADS {
        let caller = none_fails("an nginx each", &addresses, load, 3500.0).await;
        shared(&caller, &addresses, WITHIN[usize::from(paced(load))]).await;
    }
}

#[tokio::test]
async fn an_nginx_that_ends_connections_after_few_requests_costs_no_call() {
    let instance = Instance::start("drainDelay: 0s", IN_MEMORY).await;
    // The health check is the first of them.
    for (requests, load) in [(2, "concurrency: 1"), (2, "concurrency: 4, requestsPerSecond: 100"), (10, "concurrency: 20")] {
        let nginx = Nginx::start(instance.grpc, &format!("keepalive_requests {requests};")).await;
        none_fails(&format!("nginx after {requests} requests"), &[nginx.address], load, 200.0).await;
    }
}

#[tokio::test]
async fn an_nginx_that_closes_idle_connections_costs_no_call() {
    let instance = Instance::start("drainDelay: 0s", IN_MEMORY).await;
    let nginx = Nginx::start(instance.grpc, "keepalive_timeout 50ms;").await;
    // A call each 50 ms, when the connection may just be closing.
    none_fails("nginx after 50 ms", &[nginx.address], "concurrency: 4, requestsPerSecond: 20", 100.0).await;
}

#[tokio::test]
async fn an_nginx_that_is_gone_is_known_to_be_and_called_again_when_it_is_back() {
    let instance = Instance::start("drainDelay: 0s", IN_MEMORY).await;
    let mut nginx = Nginx::start(instance.grpc, "").await;
    let (caller, _) = call(&[nginx.address], "concurrency: 2, requestsPerSecond: 100, circuitBreaker: {enabled: false}", 50.0).await;
    nginx.kill();
    let in_rotation = async |wanted: f64| {
        eventually("it is known whether it is there", async || {
            let now = Metrics::of(caller.metrics).await.sum("bbs_user_client_instances_in_rotation", &[]);
            check(now == wanted, now)
        })
        .await;
    };
    in_rotation(0.0).await;
    eventually("calls fail", async || {
        let seen = Metrics::of(caller.metrics).await.client_codes();
        check(seen.of("503 UNREACHABLE") > 10.0, seen)
    })
    .await;
    nginx.restart().await;
    in_rotation(1.0).await;
}

#[tokio::test]
async fn c1_a_haproxy_that_closes_idle_connections_costs_no_call() {
    let instance = Instance::start("drainDelay: 0s", IN_MEMORY).await;
    // Those of its callers, and its own to the instance.
    let settings = "  timeout http-keep-alive 50ms\n  default-server pool-purge-delay 50ms";
    let haproxy = Haproxy::start(instance.grpc, settings, "5s").await;
    none_fails("HAProxy after 50 ms", &[haproxy.address], "concurrency: 4, requestsPerSecond: 20", 100.0).await;
    none_fails("HAProxy, paced", &[haproxy.address], LOADS[1], 500.0).await;
}

#[tokio::test]
async fn c1_a_haproxy_that_is_reloaded_costs_no_call() {
    let instance = Instance::start("drainDelay: 0s", IN_MEMORY).await;
    for load in LOADS {
        let mut haproxy = Haproxy::start(instance.grpc, "", "5s").await;
        let (caller, mut seen) = call(&[haproxy.address], load, 200.0).await;
        for _ in 0..3 {
            haproxy.reload().await;
            seen = eventually("calls go on", async || {
                let now = Metrics::of(caller.metrics).await.client_codes();
                if now.total() >= seen.total() + 200.0 { Ok(now) } else { Err(now) }
            })
            .await;
        }
        println!("HAProxy reloaded, {load}: {seen:?}");
        assert_eq!(seen.other_than(&["0"]), 0.0, "{load}: {seen:?}");
    }
}

#[tokio::test]
async fn the_age_at_which_grpc_go_ends_connections_costs_no_call() {
    let one = GrpcGo::start(&["-max-connection-age", "500ms"]).await;
    for load in LOADS {
        // 2 s at least, of which each connection has half a second.
        none_fails("grpc-go, one", &[one.address], load, if paced(load) { 1000.0 } else { 20_000.0 }).await;
    }
    let two = GrpcGo::start(&["-max-connection-age", "700ms", "-max-connection-age-grace", "5s"]).await;
    let addresses = [one.address, two.address];
    for load in LOADS {
        let caller = none_fails("grpc-go, two", &addresses, load, if paced(load) { 1000.0 } else { 20_000.0 }).await;
        shared(&caller, &addresses, WITHIN[usize::from(paced(load))]).await;
    }
}

#[tokio::test]
async fn calls_that_outlive_their_connections_age_go_on_to_their_end() {
    let server = GrpcGo::start(&["-max-connection-age", "300ms", "-delay", "400ms"]).await;
    none_fails("grpc-go, slow calls", &[server.address], "concurrency: 50, requestsPerSecond: 100", 200.0).await;
}
