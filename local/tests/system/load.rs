//! The seed's experiments, and what changes live. These tests measure rates and times: `.config/nextest.toml` runs each alone.

use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until};
use user_info_testing::http::get_json;
use user_info_testing::metrics::{Codes, Metrics};
use user_info_testing::system::{Row, System};
use user_info_testing::wait::{check, eventually};

const REFUSED: &str = "503 CIRCUITBREAKER";
const LIMITED: &str = "429 RATELIMIT";

/// Success ratio of the breaker, inverted.
const K: f64 = 1.0 / 0.6;

#[tokio::test]
async fn the_limiter_lets_its_rate_pass_and_refuses_the_rest_on_both_sides() {
    // A bucket for a quarter of a second: an instance that a busy machine halts for less loses none of its rate.
    const RATE: f64 = 200.0;
    const BURST: f64 = 50.0;
    let spec = format!("  replicas: 2\n  client: {{concurrency: 8}}\n  rateLimiter: {{requestsPerSecond: {RATE}, burst: {BURST}}}");
    let system = System::start(&spec).await;
    system.until_called(2.0 * BURST + RATE).await;
    let mut refused = 0.0;
    for instance in system.instances() {
        let before = Metrics::of(instance.http).await;
        sleep(Duration::from_secs(3)).await;
        let after = Metrics::of(instance.http).await;
        let seconds = (after.at - before.at).as_secs_f64();
        let calls = after.server_codes().since(&before.server_codes());
        let passed = calls.of("0");
        println!("{}: {:.0} calls a second pass, {:.0} are refused", instance.name, passed / seconds, calls.of(LIMITED) / seconds);
        assert!((0.9 * RATE * seconds..=1.01 * RATE * seconds + BURST).contains(&passed), "{calls:?} in {seconds} s");
        assert!(calls.of(LIMITED) > passed && calls.other_than(&["0", LIMITED]) == 0.0, "{calls:?}");
        refused += after.server_codes().of(LIMITED);
    }
    let seen = system.calls().await;
    assert!(seen.of(LIMITED) >= 0.99 * refused, "the client has seen {seen:?}, the instances had refused {refused}");
    assert_eq!(seen.other_than(&["0", LIMITED]), 0.0, "{seen:?}");
}

/// Two instances that fail half of the calls, under 1000 calls a second.
fn faulty(mode: &str, faults: bool) -> String {
    format!(
        "  replicas: 2\n  client: {{requestsPerSecond: 1000, concurrency: 8, circuitBreaker: {{mode: {mode}}}}}\n  \
         faultInjection: {{enabled: {faults}, abort: {{percentage: 50}}}}"
    )
}

#[tokio::test]
async fn a_bounded_breaker_refuses_all_but_the_probes_and_recovers_within_two_seconds() {
    let mut system = System::start(&faulty("Bounded", true)).await;
    until_open(&system).await;
    let before = system.client().await;
    sleep(Duration::from_secs(4)).await;
    let after = system.client().await;
    let seconds = (after.at - before.at).as_secs_f64();
    let calls = after.client_codes().since(&before.client_codes());
    let closings = |m: &Metrics| m.sum("bbs_user_client_breaker_transitions_total", &["to=\"closed\""]);
    let closed = closings(&after) - closings(&before);
    println!("open for {seconds:.1} s: {calls:?}; closed {closed} times");
    // Five probes a second and some more, as replies speak for the service for a while: 10 on average, some dozens in a lucky second.
    let admitted = calls.other_than(&[REFUSED]);
    assert!(admitted <= 15.0 * seconds + 150.0, "{calls:?}, closed {closed} times");
    assert!(calls.of(REFUSED) > 5.0 * admitted, "{calls:?}");

    let healed = system.save(&faulty("Bounded", false));
    sleep_until(healed + Duration::from_secs(2)).await;
    let later = success_in_the_next(&system, Duration::from_secs(1)).await;
    assert!(later > 0.99, "{later} of the calls succeed 2 s after the end of the faults");
    system.event("settled").await;
}

#[tokio::test]
async fn a_breaker_as_in_kratos_refuses_the_share_of_the_formula_and_takes_its_time_to_recover() {
    const WINDOW: Duration = Duration::from_secs(3);
    let system = System::start(&faulty("Kratos", true)).await;
    until_open(&system).await;
    let mut seen: Vec<(Instant, Codes)> = Vec::new();
    look(&system, &mut seen, Duration::from_secs(8), |_| false).await;
    let healed = system.save(&faulty("Kratos", false));
    look(&system, &mut seen, Duration::from_secs(30), |success| success > 0.99).await;
    let recovered = healed.elapsed();
    println!("recovered after {recovered:?}");
    assert!(recovered > Duration::from_secs(2), "its own refusals keep it open: {recovered:?}");
    assert!(recovered < Duration::from_secs(30), "{:?}", system.calls().await);

    // Each moment's refusals by the formula, from what was counted in the 3 s before it, and those that came.
    let (mut predicted, mut refused, mut total, mut differ) = (0.0, 0.0, 0.0, 0.0);
    for step in seen.windows(2) {
        let (at, now) = &step[0];
        let Some((_, before)) = seen.iter().rev().find(|(then, _)| *at - *then >= WINDOW) else { continue };
        let (window, next) = (now.since(before), step[1].1.since(now));
        let probability = ((window.total() - K * window.of("0")) / (window.total() + 1.0)).max(0.0);
        predicted += probability * next.total();
        refused += next.of(REFUSED);
        total += next.total();
        differ += (probability * next.total() - next.of(REFUSED)).abs();
    }
    println!("refused {refused} of {total} calls, by the formula {predicted:.0}; {differ:.0} at other times than it says");
    assert!((refused - predicted).abs() < 0.05 * total, "refused {refused} of {total} calls, predicted {predicted}");
    assert!(differ < 0.1 * total, "the curve is that of the formula: {differ} of {total}");
}

/// Looks at what the client has counted every 100 ms, for this time or until the share of success in the last 500 ms is `enough`.
async fn look(system: &System, seen: &mut Vec<(Instant, Codes)>, time: Duration, enough: impl Fn(f64) -> bool) {
    let end = Instant::now() + time;
    let first = seen.len();
    while Instant::now() < end {
        let metrics = system.client().await;
        seen.push((metrics.at, metrics.client_codes()));
        if let [.., (_, before), _, _, _, _, (_, now)] = &seen[first..] {
            let calls = now.since(before);
            if enough(calls.of("0") / calls.total().max(1.0)) {
                return;
            }
        }
        sleep(Duration::from_millis(100)).await;
    }
}

async fn until_open(system: &System) {
    eventually("the breaker opens", async || {
        let client = system.client().await;
        check(client.sum("bbs_user_client_breaker_state", &[]) == 1.0 && client.client_codes().of(REFUSED) > 0.0, client.client_codes())
    })
    .await;
}

async fn success_in_the_next(system: &System, time: Duration) -> f64 {
    let before = system.calls().await;
    sleep(time).await;
    let calls = system.calls().await.since(&before);
    calls.of("0") / calls.total().max(1.0)
}

/// A moderate load, and these settings beside it.
fn loaded(client: &str, more: &str) -> String {
    format!("  replicas: 2\n  client: {{concurrency: 4, {client}}}\n{more}")
}

#[tokio::test]
async fn live_settings_are_in_force_within_a_second_without_a_failed_call_or_a_restart() {
    let calm = loaded("requestsPerSecond: 400", "");
    let mut system = System::start(&calm).await;
    system.until_called(100.0).await;
    let before = system.processes().await;
    let (instance, client) = (system.row("user_info-2").http, system.row("user_client").http);

    // What a caller notices.
    for (refusal, more) in [
        (LIMITED, "  rateLimiter: {requestsPerSecond: 20}"),
        ("418 teapot", "  faultInjection: {abort: {percentage: 30, httpStatus: 418, reason: teapot}}"),
    ] {
        let saved = system.save(&loaded("requestsPerSecond: 400", more));
        eventually(refusal, async || {
            let calls = system.calls().await;
            check(calls.of(refusal) > 0.0, calls)
        })
        .await;
        in_time(refusal, saved);
        system.event("settled").await;
        let took = system.change(&calm).await;
        assert!(took < Duration::from_secs(1), "{took:?}");
        let calls = system.calls().await;
        system.until_called(100.0).await;
        let later = system.calls().await.since(&calls);
        assert_eq!(later.other_than(&["0"]), 0.0, "the end of it counts as soon: {later:?}");
    }

    // What /config shows.
    for (spec, address, field, value) in [
        (loaded("requestsPerSecond: 50", ""), client, "/requestsPerSecond", 50.into()),
        (loaded("loadBalancing: P2C, requestsPerSecond: 400", ""), client, "/loadBalancing", "P2C".into()),
        (loaded("requestsPerSecond: 400, circuitBreaker: {mode: Kratos}", ""), client, "/circuitBreaker/mode", "Kratos".into()),
        (loaded("requestsPerSecond: 400, circuitBreaker: {enabled: false}", ""), client, "/circuitBreaker/enabled", false.into()),
        (loaded("requestsPerSecond: 400", "  server: {log: {level: debug}}"), instance, "/log/level", Value::from("debug")),
    ] {
        let saved = system.save(&spec);
        eventually(field, async || {
            let config = get_json(address, "/config").await;
            check(config["config"]["live"].pointer(field) == Some(&value), config)
        })
        .await;
        in_time(field, saved);
        system.event("settled").await;
    }

    let after = system.processes().await;
    let pids = |all: &[Row]| all.iter().map(|p| (p.name.clone(), p.pid, p.restarts)).collect::<Vec<_>>();
    assert_eq!(pids(&after), pids(&before));
    let calls = system.calls().await;
    assert_eq!(calls.other_than(&["0", LIMITED, "418 teapot"]), 0.0, "{calls:?}");
}

fn in_time(what: &str, saved: Instant) {
    let took = saved.elapsed();
    println!("{what}: in force after {took:?}");
    assert!(took < Duration::from_secs(1), "{what}: in force after {took:?}");
}

#[tokio::test]
async fn instances_come_and_go_under_load_without_a_failed_call() {
    let spec = |replicas: u32| format!("  replicas: {replicas}\n  client: {{concurrency: 8}}");
    let mut system = System::start(&spec(3)).await;
    system.until_called(500.0).await;

    let took = system.change(&spec(5)).await;
    println!("five instances after {took:?}");
    let instances: Vec<_> = system.processes().await.into_iter().filter(|p| p.grpc.is_some()).collect();
    assert_eq!(instances.len(), 5);
    for instance in &instances {
        eventually("each instance has its share", async || {
            let served = Metrics::of(instance.http).await.server_codes();
            check(served.of("0") > 100.0, served)
        })
        .await;
    }

    let took = system.change(&spec(2)).await;
    println!("two instances after {took:?}");
    let left: Vec<_> = system.processes().await.into_iter().filter(|p| p.grpc.is_some()).map(|p| p.name).collect();
    assert_eq!(left, ["user_info-1", "user_info-2"]);
    system.until_called(500.0).await;
    let calls = system.calls().await;
    println!("{calls:?}");
    assert_eq!(calls.other_than(&["0"]), 0.0, "{calls:?}");
}
