//! The users' database dies, comes back, refuses and crawls.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use user_info_testing::http::get;
use user_info_testing::mariadb::Mariadb;
use user_info_testing::process::{descriptors, memory};
use user_info_testing::system::System;
use user_info_testing::wait::{check, eventually};

use crate::measure::{Cost, Watch};
use crate::proxy::{Mode, Proxy};
use crate::stores::{migrate_and_seed, mysql};

/// How calls may end while the database is away: refused by the service, by the caller's own breaker, or, for the first that wait for a
/// database that crawls, by the server's timeout of 1 s.
const AWAY: [&str; 4] = ["0", "503 STORE_UNAVAILABLE", "503 CIRCUITBREAKER", "504 TIMEOUT"];
/// How long the database is away. Long enough for the longest pause between attempts to connect.
const OUTAGE: Duration = Duration::from_secs(4);
/// Longest time for calls to succeed again on a busy machine; attempts are made at least every 2 s.
const RECOVERY: Duration = Duration::from_secs(15);

async fn start(users: SocketAddr, rate: u32) -> System {
    System::start(&spec(users, rate)).await
}

fn spec(users: SocketAddr, rate: u32) -> String {
    format!("  replicas: 2\n  client: {{requestsPerSecond: {rate}, concurrency: 32}}\n  data:\n    {}", mysql(users))
}

/// Waits until calls succeed again, says what the fault cost, and checks that it ended in time and that all were refused as they should be.
async fn recovered(watch: &Watch, what: &str, begun: Instant, ended: Instant) -> Cost {
    watch.until_well(400.0).await;
    let cost = watch.cost(begun);
    let after = watch.cost(ended);
    println!("{what} for {:.1} s: {cost}; {:.2} s after its end", (ended - begun).as_secs_f64(), after.lasted.as_secs_f64());
    assert!(after.lasted < RECOVERY, "{after:?}");
    assert_eq!(cost.calls.other_than(&AWAY), 0.0, "{cost:?}");
    cost
}

#[tokio::test]
async fn mariadb_killed_amid_batches_and_started_again_needs_nobody() {
    let mut server = Mariadb::start().await;
    migrate_and_seed(&server.config().address);
    let address = server.config().address.parse().expect("an address");
    let mut system = start(address, 1000).await;
    let watch = Watch::start(&system, 500.0).await;
    let pids = system.pids();
    let before: Vec<_> = pids.iter().map(|pid| (memory(*pid), descriptors(*pid))).collect();

    for _ in 0..2 {
        let begun = Instant::now();
        server.kill();
        sleep(OUTAGE / 2).await;
        for instance in system.instances() {
            let (status, report) = get(instance.http, "/readyz").await;
            assert!(status == 200 && report.contains(r#""name":"users","ok":false"#), "{report}");
        }
        // A change of the settings is no less in force for it.
        system.change(&spec(address, 999)).await;
        sleep(OUTAGE / 2).await;
        let ended = Instant::now();
        server.restart().await;
        recovered(&watch, "MariaDB killed", begun, ended).await;
        system.change(&spec(address, 1000)).await;
    }
    eventually("nothing stays behind", async || {
        let now: Vec<_> = pids.iter().map(|pid| (memory(*pid), descriptors(*pid))).collect();
        let holds = now.iter().zip(&before).all(|(now, before)| now.1 <= before.1 + 4 && now.0 < before.0 + (32 << 20));
        check(holds, format!("memory and descriptors: {before:?} then {now:?}"))
    })
    .await;
    let now = system.processes().await;
    assert!(now.iter().all(|p| p.restarts == 0), "{now:?}");
}

#[tokio::test]
async fn mariadb_that_refuses_or_crawls_is_waited_for_without_calls_that_hang() {
    let server = Mariadb::start().await;
    migrate_and_seed(&server.config().address);
    let proxy = Proxy::start(&server.config().address).await;
    let system = start(proxy.address, 400).await;
    let watch = Watch::start(&system, 200.0).await;

    for (what, mode) in [("MariaDB refuses connections", Mode::Refuse), ("MariaDB answers after 1 s", Mode::Slow(Duration::from_secs(1)))] {
        let begun = Instant::now();
        proxy.set(mode);
        sleep(OUTAGE).await;
        let ended = Instant::now();
        proxy.set(Mode::Carry);
        let cost = recovered(&watch, what, begun, ended).await;
        assert!(cost.calls.of("503 STORE_UNAVAILABLE") > 0.0, "{cost:?}");
    }

    // Slow, but within what a query may take: every call is answered.
    let begun = Instant::now();
    proxy.set(Mode::Slow(Duration::from_millis(200)));
    sleep(OUTAGE).await;
    proxy.set(Mode::Carry);
    watch.until_well(400.0).await;
    let cost = watch.cost(begun);
    println!("MariaDB answers after 200 ms: {cost}");
    assert_eq!(cost.failed, 0.0, "{cost:?}");
}
