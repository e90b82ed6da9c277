//! Who sets the number of instances.

use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use user_info_operator::kind::Kind;
use user_info_testing::wait::eventually;

use crate::harness::Place;

async fn replicas(place: &Place) -> Value {
    place.get(Kind::Deployment, "demo-user-info").await.map_or(Value::Null, |object| object["spec"]["replicas"].clone())
}

async fn reaches(place: &Place, count: u32) {
    eventually(&format!("{count} replicas"), async || (replicas(place).await == json!(count)).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn the_resource_is_scaled_like_a_deployment_and_pods_keep_their_config() {
    let place = Place::new().await;
    let operator = place.operator();
    place.apply(json!({})).await.expect("taken");
    reaches(&place, 1).await;
    let config = async || place.get(Kind::ConfigMap, "demo-user-info").await.expect("there")["metadata"]["resourceVersion"].clone();
    let before = config().await;
    for count in [5, 2] {
        let scale = json!({"spec": {"replicas": count}});
        place.resources().patch_scale("demo", &PatchParams::default(), &Patch::Merge(&scale)).await.expect("scaled");
        reaches(&place, count).await;
    }
    eventually("instances in the status", async || {
        let scale = place.resources().get_scale("demo").await.expect("a scale");
        scale.status.filter(|status| status.replicas == 2 && status.selector.is_some()).map(drop)
    })
    .await;
    assert_eq!(config().await, before);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn someone_else_may_scale_and_the_number_is_handed_over_unchanged() {
    let place = Place::new().await;
    let operator = place.operator();
    place.apply(json!({"replicas": 4})).await.expect("taken");
    reaches(&place, 4).await;
    place.apply(json!({"replicas": 4, "autoscaling": {"mode": "External"}})).await.expect("taken");
    place.settled().await;
    assert_eq!(replicas(&place).await, json!(4), "handed over");
    let deployments = place.api(Kind::Deployment);
    deployments
        .patch_scale("demo-user-info", &PatchParams::default(), &Patch::Merge(&json!({"spec": {"replicas": 6}})))
        .await
        .expect("scaled");
    place.apply(json!({"replicas": 4, "autoscaling": {"mode": "External"}, "server": {"timeout": "2s"}})).await.expect("taken");
    place.settled().await;
    assert_eq!(replicas(&place).await, json!(6), "left alone");
    place.apply(json!({"replicas": 3})).await.expect("taken");
    reaches(&place, 3).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn paused_nothing_changes_and_stopped_nothing_runs() {
    let place = Place::new().await;
    let operator = place.operator();
    place.apply(json!({"replicas": 2})).await.expect("taken");
    reaches(&place, 2).await;
    place.apply(json!({"replicas": 3, "operation": {"paused": true}})).await.expect("taken");
    place.reason("Paused", "Paused").await;
    assert_eq!(replicas(&place).await, json!(2));
    place.apply(json!({"replicas": 3, "operation": {"stopped": true}})).await.expect("taken");
    reaches(&place, 0).await;
    place.reason("Ready", "Stopped").await;
    place.apply(json!({"replicas": 3})).await.expect("taken");
    reaches(&place, 3).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn faults_end_by_themselves() {
    let place = Place::new().await;
    let operator = place.operator();
    place.apply(json!({"faultInjection": {"abort": {"percentage": 10}, "expireAfter": "3s"}})).await.expect("taken");
    let injected = async || {
        let config = place.get(Kind::ConfigMap, "demo-user-info").await?;
        Some(config["data"]["user_info.yaml"].as_str()?.contains("faultInjection"))
    };
    eventually("faults", async || injected().await.filter(|injected| *injected)).await;
    eventually("their end", async || injected().await.filter(|injected| !injected)).await;
    place.settled().await;
    let status = place.resources().get("demo").await.expect("there").status.expect("a status");
    assert!(status.faults.is_some_and(|faults| faults.expires_at.0.duration_since(faults.since.0).as_secs() == 3));
    operator.stop().await;
}
