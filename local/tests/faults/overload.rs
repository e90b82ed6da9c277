//! Ten times as many calls as can be served: as many succeed as before, and the rest is refused at once.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use user_info_testing::mariadb::Mariadb;
use user_info_testing::metrics::{Codes, Metrics};
use user_info_testing::process::{memory, processor};
use user_info_testing::system::System;
use user_info_testing::wait::{check, eventually};

use crate::measure::Watch;
use crate::setting::number;
use crate::stores::{migrate_and_seed, mysql};

/// How long each load lasts; `USER_INFO_TEST_LOAD_SECONDS` says otherwise.
fn load() -> Duration {
    Duration::from_secs(number("USER_INFO_TEST_LOAD_SECONDS").unwrap_or(5))
}

/// Calls a second that the limiters of both instances let pass together. The machine can do more, also while it is busy.
const CAPACITY: f64 = 200.0;
const LIMITED: &str = "429 RATELIMIT";

/// Calls a second that end so, and the mean time of an answered call on the servers, over `time`.
async fn measure(system: &System, time: Duration) -> (Codes, f64, Duration) {
    let servers = async || {
        let (mut calls, mut seconds) = (0.0, 0.0);
        for instance in system.instances() {
            let metrics = Metrics::of(instance.http).await;
            calls += metrics.sum("bbs_user_info_server_requests_duration_sec_count", &["kind=\"grpc\""]);
            seconds += metrics.sum("bbs_user_info_server_requests_duration_sec_sum", &["kind=\"grpc\""]);
        }
        (calls, seconds)
    };
    let (before, served) = (system.client().await, servers().await);
    sleep(time).await;
    let (after, now) = (system.client().await, servers().await);
    let seconds = (after.at - before.at).as_secs_f64();
    let mean = (now.1 - served.1) / (now.0 - served.0).max(1.0);
    (after.client_codes().since(&before.client_codes()), seconds, Duration::from_secs_f64(mean))
}

fn limited(rate: f64, data: &str) -> String {
    // The breaker would take the refusals over; here it is the servers that have to bear the load.
    let client = format!("{{requestsPerSecond: {rate}, concurrency: 64, circuitBreaker: {{enabled: false}}}}");
    // A bucket for a quarter of a second: an instance that a busy machine halts for less loses none of its rate.
    let limiter = format!("{{requestsPerSecond: {}, burst: {}}}", CAPACITY / 2.0, CAPACITY / 8.0);
    format!("  replicas: 2\n  client: {client}\n  rateLimiter: {limiter}\n{data}")
}

/// Loads a limited system at its capacity, at ten times of it, and below it again.
async fn ten_times_the_limit(data: &str, store: &str) {
    let mut system = System::start(&limited(CAPACITY, data)).await;
    system.until_called(100.0).await;
    let (peak, seconds, _) = measure(&system, load()).await;
    let peak = peak.of("0") / seconds;

    system.change(&limited(CAPACITY * 10.0, data)).await;
    let (calls, seconds, mean) = measure(&system, load()).await;
    let goodput = calls.of("0") / seconds;
    let offered = calls.total() / seconds;
    println!("{store}: {goodput:.0} of {offered:.0} calls a second succeed, {peak:.0} at capacity; {mean:?} each on the server");
    assert!(offered > 3.0 * CAPACITY, "the caller cannot make that many calls: {offered}");
    assert!(goodput > 0.9 * peak, "{goodput} a second, {peak} before");
    assert_eq!(calls.other_than(&["0", LIMITED]), 0.0, "{calls:?}");
    assert!(mean < Duration::from_millis(50), "refused and accepted calls take {mean:?}");

    let ended = Instant::now();
    system.change(&limited(CAPACITY / 4.0, data)).await;
    let watch = Watch::start(&system, 10.0).await;
    watch.until_well(40.0).await;
    println!("{store}: back to normal, seen after {:.2} s", ended.elapsed().as_secs_f64());
}

#[tokio::test]
async fn ten_times_the_limit_costs_no_goodput() {
    ten_times_the_limit("", "memory").await;
}

#[tokio::test]
async fn ten_times_the_limit_costs_no_goodput_with_mariadb() {
    let server = Mariadb::start().await;
    migrate_and_seed(&server.config().address);
    let address = server.config().address;
    ten_times_the_limit(&format!("  data:\n    {}", mysql(address)), "MariaDB").await;
}

#[tokio::test]
async fn without_a_limiter_ten_times_the_callers_cost_no_more_work_a_call_and_wait_their_turn() {
    const ROUNDS: usize = 3;
    let spec = |concurrency: u32| format!("  replicas: 1\n  client: {{concurrency: {concurrency}, circuitBreaker: {{enabled: false}}}}");
    let mut system = System::start(&spec(10)).await;
    system.until_called(500.0).await;
    let instance = system.instances().swap_remove(0);
    let pid = instance.pid.expect("it runs");
    // The machine itself is what is short, and others use it, too: hence calls for each tick of the processor that the instance had.
    let work = async || (Metrics::of(instance.http).await.server_codes().of("0"), processor(pid));
    let (mut few, mut many, mut before) = (0.0_f64, 0.0_f64, 0);
    for round in 0..ROUNDS {
        for (concurrency, best) in [(20, &mut few), (200, &mut many)] {
            system.change(&spec(concurrency)).await;
            let begun = work().await;
            let (calls, seconds, mean) = measure(&system, load() / 2).await;
            let ended = work().await;
            let efficiency = (ended.0 - begun.0) / (ended.1 - begun.1).max(1) as f64;
            println!(
                "no limiter: {concurrency} callers make {:.0} calls a second, {mean:?} each on the server; {efficiency:.0} a tick of its CPU",
                calls.of("0") / seconds
            );
            assert_eq!(calls.other_than(&["0"]), 0.0, "{calls:?}");
            *best = best.max(efficiency);
        }
        if round == 0 {
            before = memory(pid);
        }
    }
    let grown = memory(pid).saturating_sub(before);
    println!("no limiter: {many:.0} calls a tick of CPU by 200 callers, {few:.0} by 20; {grown} bytes more after the first round");
    assert!(many > 0.6 * few, "{many} calls a tick of CPU, {few} by fewer callers");
    assert!(grown < 32 << 20, "{grown} bytes more");

    system.change(&spec(1)).await;
    eventually("nothing is left in flight", async || {
        let in_flight = Metrics::of(instance.http).await.sum("bbs_user_info_server_requests_in_flight", &["kind=\"grpc\""]);
        check(in_flight <= 1.0, in_flight)
    })
    .await;
}
