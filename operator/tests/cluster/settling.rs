//! Many changes of one resource in a row: only the last counts.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use serde_json::{Value, json};
use user_info_testing::wait::{eventually, stays};

use crate::acceptance::essence;
use crate::harness::{LIMIT, Operator, Place};

/// Sequences, and changes in each.
const SEQUENCES: u64 = 6;
const CHANGES: u32 = 12;
/// Without a write for so long, all is written.
const QUIET: Duration = Duration::from_secs(2);

/// Values that a field may take; none leaves it out.
fn choices() -> Vec<(&'static str, Vec<Value>)> {
    vec![
        ("replicas", vec![json!(0), json!(1), json!(3)]),
        ("rateLimiter", vec![json!({"requestsPerSecond": 5}), json!({"requestsPerSecond": 2000, "burst": 1})]),
        ("faultInjection", vec![json!({"abort": {"percentage": 50}}), json!({"delay": {"percentage": 5, "fixedDelay": "20ms"}})]),
        ("client", vec![json!({"enabled": false}), json!({"replicas": 2, "loadBalancing": "P2C"})]),
        ("server", vec![json!({"grpcPort": 9100}), json!({"timeout": "2s"}), json!({"resources": {"requests": {"cpu": "10m"}}})]),
        ("networkPolicy", vec![json!({"enabled": true})]),
        ("disruption", vec![json!({"maxUnavailable": 1}), json!({"minAvailable": "50%"})]),
        ("podTemplate", vec![json!({"labels": {"team": "a"}}), json!({"annotations": {"note": "b"}})]),
        ("operation", vec![json!({"paused": true}), json!({"stopped": true})]),
    ]
}

fn random(rng: &mut Rng) -> Value {
    let mut spec = serde_json::Map::new();
    for (field, values) in choices() {
        if rng.bool() {
            spec.insert(field.to_owned(), rng.choice(values).expect("some"));
        }
    }
    spec.into()
}

/// The essence, without the number of the change: a sequence has more of them than its last spec alone.
async fn end(place: &Place) -> BTreeMap<String, Value> {
    let mut all = essence(place).await;
    for object in all.values_mut() {
        if let Some(annotations) = object["annotations"].as_object_mut() {
            annotations.remove("userinfo.bbs.dev/config-generation");
        }
        for text in object["data"].as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
            let kept: Vec<&str> = text.as_str().unwrap_or_default().lines().filter(|line| !line.starts_with("generation:")).collect();
            *text = kept.join("\n").into();
        }
    }
    all
}

fn writes(operator: &Operator) -> u64 {
    let text = operator.metrics();
    let lines = text.lines().filter(|line| line.contains("writes_total{"));
    lines.map(|line| line.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok()).expect("a count")).sum()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn whatever_came_before_the_last_spec_decides_and_then_nothing_is_written() {
    let seed = std::env::var("USER_INFO_TEST_SEED").map_or_else(|_| fastrand::u64(..), |seed| seed.parse().expect("a number"));
    for sequence in 0..SEQUENCES {
        let mut rng = Rng::with_seed(seed.wrapping_add(sequence));
        let place = Place::new().await;
        let operator = place.operator();
        for _ in 0..CHANGES {
            place.apply(random(&mut rng)).await.expect("taken");
            tokio::time::sleep(Duration::from_millis(rng.u64(0..150))).await;
        }
        // A system that is paused is as it was by chance.
        let mut last = random(&mut rng);
        if last["operation"]["paused"] == true {
            last["operation"] = json!({});
        }
        place.apply(last.clone()).await.expect("taken");

        let undisturbed = Place::new().await;
        let other = undisturbed.operator();
        undisturbed.apply(last.clone()).await.expect("taken");
        undisturbed.settled().await;
        let expected = end(&undisturbed).await;
        other.stop().await;

        let ends = eventually("end as with the last spec alone", async || (end(&place).await == expected).then_some(()));
        if tokio::time::timeout(LIMIT / 2, ends).await.is_err() {
            let found = end(&place).await;
            for title in found.keys().chain(expected.keys()) {
                assert_eq!(found.get(title), expected.get(title), "{title} with {last}; USER_INFO_TEST_SEED={seed}, sequence {sequence}");
            }
        }
        place.settled().await;
        let rest = eventually("rest", async || {
            let before = writes(&operator);
            tokio::time::sleep(QUIET).await;
            (writes(&operator) == before).then_some(before)
        })
        .await;
        stays(&rest, QUIET, async || writes(&operator)).await;
        operator.stop().await;
    }
}
