//! The store of the page views dies, crawls and forgets: no call fails for it.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};
use user_info_testing::http::get_json;
use user_info_testing::metrics::Metrics;
use user_info_testing::redis::Redis;
use user_info_testing::system::System;
use user_info_testing::wait::{check, eventually};

use crate::measure::Watch;
use crate::proxy::{Mode, Proxy};

/// The visits of user 1 that an instance answers with.
async fn visits(system: &System) -> String {
    let reply = get_json(system.instances()[0].http, "/user_info/1").await;
    reply.pointer("/user/visits").and_then(Value::as_str).unwrap_or_else(|| panic!("no user: {reply}")).to_owned()
}

async fn until_visits(system: &System, expected: &str) {
    eventually("the visits are read", async || {
        let visits = visits(system).await;
        check(visits == expected, visits)
    })
    .await;
}

#[tokio::test]
async fn redis_killed_slow_or_flushed_costs_page_views_and_no_call() {
    const OUTAGE: Duration = Duration::from_secs(3);
    let mut server = Redis::start().await;
    let proxy = Proxy::start(&server.config().address).await;
    let views = proxy.address;
    let system = System::start(&format!(
        "  replicas: 2\n  client: {{requestsPerSecond: 400, concurrency: 16}}\n  data: {{redis: {{mode: External, address: '{views}'}}}}"
    ))
    .await;
    server.execute(&["SET", "U:1:VISITS", "7"]).await;
    until_visits(&system, "7").await;
    let watch = Watch::start(&system, 200.0).await;

    let begun = Instant::now();
    server.kill();
    sleep(OUTAGE).await;
    assert_eq!(visits(&system).await, "0");
    server.restart().await;
    server.execute(&["SET", "U:1:VISITS", "8"]).await;
    let ended = Instant::now();
    until_visits(&system, "8").await;
    println!("Redis killed: {}; visits again {:.2} s after its start", watch.cost(begun), ended.elapsed().as_secs_f64());

    proxy.set(Mode::Slow(Duration::from_secs(1)));
    sleep(OUTAGE).await;
    assert_eq!(visits(&system).await, "0");
    proxy.set(Mode::Carry);
    let ended = Instant::now();
    until_visits(&system, "8").await;
    println!("Redis slow: {}; visits again {:.2} s after its end", watch.cost(begun), ended.elapsed().as_secs_f64());

    server.execute(&["FLUSHALL"]).await;
    until_visits(&system, "0").await;
    server.execute(&["SET", "U:1:VISITS", "9"]).await;
    until_visits(&system, "9").await;

    watch.until_well(200.0).await;
    let cost = watch.cost(begun);
    println!("Redis killed, slow and flushed: {cost}");
    assert_eq!(cost.failed, 0.0, "{cost:?}");
    let mut without = 0.0;
    for instance in system.instances() {
        without += Metrics::of(instance.http).await.sum("bbs_user_info_views_unavailable_total", &[]);
    }
    assert!(without > 0.0, "replies without views are counted");
}
