//! Instances and callers that freeze, die and come back.

use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};
use user_info_testing::http::get;
use user_info_testing::metrics::Metrics;
use user_info_testing::process::{descriptors, memory, signal};
use user_info_testing::system::{Row, System};
use user_info_testing::wait::{check, eventually};

use crate::measure::Watch;

/// Calls in flight at a time.
const CONCURRENCY: f64 = 8.0;

/// Three instances under a steady load.
async fn three() -> System {
    System::start("  replicas: 3\n  client: {requestsPerSecond: 400, concurrency: 8}").await
}

/// Waits until the instance has answered `more` calls.
async fn until_it_serves(instance: &Row, more: f64) {
    let before = Metrics::of(instance.http).await.server_codes().of("0");
    eventually("it serves", async || {
        let served = Metrics::of(instance.http).await.server_codes();
        check(served.of("0") >= before + more, served)
    })
    .await;
}

#[tokio::test]
async fn an_instance_that_freezes_is_left_alone_until_it_thaws() {
    let system = three().await;
    for instance in system.instances() {
        until_it_serves(&instance, 50.0).await;
    }
    let watch = Watch::start(&system, 100.0).await;
    let victim = system.instances()[1].clone();
    let pid = victim.pid.expect("it runs");

    let begun = Instant::now();
    signal(pid, Signal::STOP);
    // Longer than a call may take, and than an ejection lasts: it must not be let in again while it stands still.
    sleep(Duration::from_secs(8)).await;
    watch.until_well(400.0).await;
    let cost = watch.cost(begun);
    println!("an instance freezes for {:.1} s: {cost}", begun.elapsed().as_secs_f64());
    assert!(cost.failed <= 3.0 * CONCURRENCY, "{cost:?}");

    let thawed = Instant::now();
    signal(pid, Signal::CONT);
    until_it_serves(&victim, 50.0).await;
    println!("it serves again {:.2} s after it thawed: {}", thawed.elapsed().as_secs_f64(), watch.cost(thawed));
    assert_eq!(watch.cost(thawed).failed, 0.0);
    let now = system.processes().await;
    assert!(now.iter().any(|p| p.pid == Some(pid) && p.restarts == 0), "nobody had to restart it: {now:?}");
}

#[tokio::test]
async fn the_client_restarts_and_nothing_stays_behind_of_it() {
    let system = three().await;
    let instances = system.instances();
    let pids: Vec<u32> = instances.iter().filter_map(|i| i.pid).collect();
    let connections = async || {
        let mut open = 0.0;
        for instance in &instances {
            open += Metrics::of(instance.http).await.sum("bbs_user_info_server_requests_in_flight", &["kind=\"grpc\""]);
        }
        open
    };
    system.until_called(200.0).await;
    let before: Vec<_> = pids.iter().map(|pid| (memory(*pid), descriptors(*pid))).collect();
    for round in 1..=5 {
        let client = system.processes().await.into_iter().find(|p| p.name == "user_client").expect("there");
        signal(client.pid.expect("it runs"), Signal::KILL);
        let begun = Instant::now();
        eventually("the client is back", async || {
            let now = system.processes().await.into_iter().find(|p| p.name == "user_client").expect("there");
            check(now.state == "ready" && now.restarts == round, now)
        })
        .await;
        system.until_called(50.0).await;
        println!("the client calls again after {:.2} s", begun.elapsed().as_secs_f64());
    }
    let client = system.processes().await.into_iter().find(|p| p.name == "user_client").expect("there");
    signal(client.pid.expect("it runs"), Signal::STOP);
    eventually("no call of a client that is gone is in flight", async || {
        let open = connections().await;
        check(open == 0.0, open)
    })
    .await;
    eventually("its connections are closed", async || {
        let now: Vec<_> = pids.iter().map(|pid| (memory(*pid), descriptors(*pid))).collect();
        let holds = now.iter().zip(&before).all(|(now, before)| now.1 <= before.1 + 2 && now.0 < before.0 + (16 << 20));
        check(holds, format!("{before:?} then {now:?}"))
    })
    .await;
    signal(client.pid.expect("it runs"), Signal::CONT);
    assert_eq!(get(instances[0].http, "/readyz").await.0, 200);
}
