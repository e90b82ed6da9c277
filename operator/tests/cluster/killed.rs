//! The operator is killed with its Helm at any moment of an install, an upgrade and a removal; another one finishes.

use std::time::Duration;

use kube::api::DeleteParams;
use rustix::process::Signal;
use serde_json::json;
use user_info_operator::kind::Kind;
use user_info_testing::process::{Process, runs};
use user_info_testing::wait::within;

use crate::harness::Place;
use crate::process::operator;
use crate::releases::{newest, redis, revisions};

/// The grace for a pending release, and what comes before and after it.
const LIMIT: Duration = Duration::from_secs(60);

/// Starts the operator as a process of its own.
fn start(place: &Place) -> Process {
    Process::spawn(&mut operator(place, "127.0.0.1:0"))
}

/// The Helm that the operator runs, if any.
fn helm(operator: &Process) -> Option<u32> {
    let of = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children")).ok();
    let tasks = std::fs::read_dir(format!("/proc/{}/task", operator.id())).ok()?;
    tasks.flatten().filter_map(of).find_map(|children| children.split_whitespace().next()?.parse().ok())
}

/// Starts the operator and kills it at a moment after it has begun to run Helm, which brings the newest release to `state`.
async fn killed(place: &Place, moment: Moment, state: &str) {
    let mut operator = start(place);
    let child = within(LIMIT, "a call of Helm", async || helm(&operator)).await;
    match moment {
        Moment::After(delay) => tokio::time::sleep(delay).await,
        Moment::InTheMiddle => while runs(child) && newest(place, "demo-redis").await.is_none_or(|newest| newest.1 != state) {},
    }
    operator.kill();
    // Nobody has told Helm, and yet it ends.
    within(Duration::from_secs(5), "the end of its Helm", async || !runs(child)).await;
}

/// When to kill.
#[derive(Clone, Copy)]
enum Moment {
    /// So long after Helm has begun.
    After(Duration),
    /// While the release says that Helm is at work.
    InTheMiddle,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn killed_at_any_stage_of_a_release_another_one_finishes() {
    let mut left = Vec::new();
    let after = [0, 50, 100, 200].map(|pause| Moment::After(Duration::from_millis(pause)));
    for moment in after.into_iter().chain([Moment::InTheMiddle; 3]) {
        let place = Place::new().await;
        let config = async || place.get(Kind::ConfigMap, "demo-redis").await.map(|config| config["data"]["redis.conf"].to_string());

        place.apply(redis(&json!({"maxMemory": "64mb"}))).await.expect("taken");
        killed(&place, moment, "pending-install").await;
        left.push(newest(&place, "demo-redis").await.map_or("absent".to_owned(), |newest| newest.1));
        let operator = place.operator();
        within(LIMIT, "the release", async || newest(&place, "demo-redis").await.filter(|newest| newest.1 == "deployed")).await;
        assert!(config().await.expect("there").contains("maxmemory 64mb"));
        operator.stop().await;

        place.apply(redis(&json!({"maxMemory": "65mb"}))).await.expect("taken");
        killed(&place, moment, "pending-upgrade").await;
        left.push(newest(&place, "demo-redis").await.map_or("absent".to_owned(), |newest| newest.1));
        let operator = place.operator();
        within(LIMIT, "the upgrade", async || {
            let newest = newest(&place, "demo-redis").await?;
            (newest.1 == "deployed" && config().await?.contains("maxmemory 65mb")).then_some(())
        })
        .await;
        operator.stop().await;

        place.resources().delete("demo", &DeleteParams::default()).await.expect("deleted");
        killed(&place, moment, "uninstalling").await;
        left.push(newest(&place, "demo-redis").await.map_or("absent".to_owned(), |newest| newest.1));
        let operator = place.operator();
        within(LIMIT, "the end", async || place.resources().get_opt("demo").await.expect("an answer").is_none().then_some(())).await;
        assert!(revisions(&place).await.is_empty() && config().await.is_none());
        operator.stop().await;
    }
    println!("left by a kill after an install, an upgrade and a removal: {left:?}");
    for stage in ["pending-install", "pending-upgrade", "uninstalling"] {
        assert!(left.iter().any(|state| state == stage), "no kill came in the middle of it: {left:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn told_to_stop_it_has_helm_end_first() {
    let place = Place::new().await;
    place.apply(redis(&json!({}))).await.expect("taken");
    let mut process = start(&place);
    let child = within(LIMIT, "a call of Helm", async || helm(&process)).await;
    process.signal(Signal::TERM);
    let status = process.ended().await;
    assert!(status.success(), "{status}");
    assert!(!runs(child));
    let state = newest(&place, "demo-redis").await.map(|newest| newest.1);
    assert!(!state.as_ref().is_some_and(|state| state.starts_with("pending")), "{state:?}");
    let operator = place.operator();
    within(LIMIT, "the release", async || newest(&place, "demo-redis").await.filter(|newest| newest.1 == "deployed")).await;
    operator.stop().await;
}
