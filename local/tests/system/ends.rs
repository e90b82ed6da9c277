//! Processes that end: instances that are killed, and the program itself.

use std::net::TcpListener;
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;
use user_info_testing::metrics::Metrics;
use user_info_testing::port::free_ports;
use user_info_testing::process::{runs, signal, until_gone};
use user_info_testing::system::System;
use user_info_testing::wait::{check, eventually};

#[tokio::test]
async fn an_instance_killed_under_load_costs_at_most_the_calls_in_flight_and_comes_back() {
    const CONCURRENCY: f64 = 8.0;
    let mut system = System::start("  replicas: 3\n  client: {concurrency: 8}").await;
    // A client that knows only the instance that dies has nowhere else to go.
    for instance in system.instances() {
        eventually("every instance is in rotation", async || {
            let served = Metrics::of(instance.http).await.server_codes();
            check(served.of("0") >= 100.0, served)
        })
        .await;
    }
    let victim = system.instances()[1].clone();
    signal(victim.pid.expect("it runs"), Signal::KILL);

    let message = system.message("ended").await;
    assert!(message.starts_with("user_info-2 ended (signal: 9"), "{message}");
    let back = eventually("the instance is back", async || {
        let now = system.processes().await.into_iter().find(|p| p.name == victim.name).expect("it is in the table");
        if now.state == "ready" { Ok(now) } else { Err(now) }
    })
    .await;
    assert_eq!((back.grpc, back.http, back.restarts), (victim.grpc, victim.http, 1));
    assert_ne!(back.pid, victim.pid);
    eventually("it is in rotation again", async || {
        let served = Metrics::of(victim.http).await.server_codes();
        check(served.of("0") >= 100.0, served)
    })
    .await;

    let calls = system.calls().await;
    let failed = calls.other_than(&["0"]);
    println!("{failed} of {} calls failed: {calls:?}", calls.total());
    assert!(failed <= CONCURRENCY, "{calls:?}");
}

#[tokio::test]
async fn killed_it_leaves_no_orphan() {
    let system = System::start("  replicas: 2\n  client: {requestsPerSecond: 50}").await;
    let pids = system.pids();
    assert!(pids.len() == 3 && pids.iter().all(|pid| runs(*pid)), "{pids:?}");
    let begun = Instant::now();
    drop(system);
    until_gone(&pids).await;
    println!("no process is left after {:?}", begun.elapsed());
}

#[tokio::test]
async fn ctrl_c_ends_all_and_frees_the_ports() {
    let mut system = System::start("  replicas: 2\n  client: {requestsPerSecond: 50}").await;
    let (pids, instances) = (system.pids(), system.instances());
    system.until_called(10.0).await;
    system.signal(Signal::INT);
    assert_eq!(system.ended().await.code(), Some(0));
    assert_eq!(pids.iter().filter(|pid| runs(**pid)).count(), 0, "it waits for its processes");
    for address in instances.iter().flat_map(|i| [i.http, i.grpc.expect("an instance")]) {
        TcpListener::bind(address).expect("the port is free");
    }
}

#[tokio::test]
async fn ctrl_c_twice_ends_all_at_once() {
    let mut system = System::start("  replicas: 2\n  server: {drainDelay: 5m}\n  client: {enabled: false}").await;
    let pids = system.pids();
    system.signal(Signal::INT);
    let first = system.message("stop").await;
    assert_eq!(first, "Ctrl-C: stopping the clients, then the instances");
    let begun = Instant::now();
    system.signal(Signal::INT);
    assert_eq!(system.message("stop").await, "Ctrl-C again: ending at once");
    assert_eq!(system.ended().await.code(), Some(0));
    until_gone(&pids).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn ports_that_are_taken_move_on_and_the_table_says_so() {
    // Whoever comes first has it: another test's system, or this.
    let _taken = TcpListener::bind("127.0.0.1:8001");
    let system = System::start("  replicas: 1\n  client: {enabled: false}").await;
    let instance = system.row("user_info-1");
    assert_ne!(instance.http.port(), 8001);
    assert!(instance.note.contains("8001") && instance.note.ends_with(": taken"), "{instance:?}");
}

#[tokio::test]
async fn the_first_instance_listens_where_the_spec_says() {
    let [grpc, http, metrics] = free_ports();
    let spec = format!("  server: {{grpcPort: {grpc}, httpPort: {http}}}\n  client: {{metricsPort: {metrics}, requestsPerSecond: 1}}");
    let system = System::start(&spec).await;
    let instance = system.row("user_info-1");
    assert_eq!((instance.grpc.map(|a| a.port()), instance.http.port()), (Some(grpc), http));
    assert_eq!((system.row("user_client").http.port(), instance.note.as_str()), (metrics, ""));
}
