//! What cannot be carried out.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::{Value, json};
use user_info_operator::kind::Kind;

use crate::harness::{Place, eventually};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn the_api_server_refuses_with_our_words() {
    let place = Place::new().await;
    for (spec, words) in [
        (json!({"autoscaling": {"minReplicas": 5, "maxReplicas": 2}}), "maxReplicas must not be less than minReplicas"),
        (json!({"faultInjection": {}}), "nothing to inject; set delay, abort or both, or enabled: false"),
        (json!({"data": {"mysql": {"mode": "External"}}}), "mode: External needs address"),
        (json!({"autoscaling": {"mode": "Managed"}}), "autoscaling by CPU use needs server.resources.requests.cpu"),
        (json!({"disruption": {"maxUnavailable": 1, "minAvailable": 1}}), "set maxUnavailable or minAvailable, not both"),
    ] {
        let error = place.apply(spec.clone()).await.expect_err("refused").to_string();
        assert!(error.contains(words), "{spec}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_missing_secret_is_told_everywhere_leaves_what_runs_and_clears_itself() {
    let place = Place::new().await;
    let operator = place.operator();
    place.apply(json!({})).await.expect("taken");
    place.settled().await;
    let before = place.get(Kind::Deployment, "demo-user-info").await.expect("there");
    let mysql = json!({"data": {"mysql": {"mode": "External", "address": "db:3306", "secretRef": {"name": "db"}}}});
    place.apply(mysql).await.expect("taken");
    place.reason("Ready", "SecretMissing").await;
    place.reason("Degraded", "SecretMissing").await;
    assert_eq!(place.get(Kind::Deployment, "demo-user-info").await.expect("there")["spec"], before["spec"]);
    let events: Api<Event> = Api::namespaced(place.client.clone(), &place.namespace);
    eventually("an Event", async || {
        let all = events.list(&ListParams::default()).await.expect("a list");
        all.items.into_iter().find(|event| event.reason.as_deref() == Some("SecretMissing"))
    })
    .await;
    let metrics = String::from_utf8(operator.metrics.text().expect("text")).expect("UTF-8");
    assert!(metrics.contains(r#"reconcile_errors_total{class="configuration",reason="SecretMissing"}"#), "{metrics}");

    let secrets: Api<Secret> = Api::namespaced(place.client.clone(), &place.namespace);
    let secret = |data: Value| serde_json::from_value(json!({"metadata": {"name": "db"}, "stringData": data})).expect("a Secret");
    secrets.create(&PostParams::default(), &secret(json!({"password": "x"}))).await.expect("made");
    place.reason("Ready", "InstancesNotReady").await;
    assert_ne!(place.get(Kind::Deployment, "demo-user-info").await.expect("there")["spec"], before["spec"]);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn what_the_spec_cannot_have_in_a_cluster_stalls_until_it_is_changed() {
    let place = Place::new().await;
    let operator = place.operator();
    let consul = json!({"consul": {"mode": "External", "external": {"address": "consul:8500"}}});
    place.apply(json!({"server": {"weights": [100, 50]}, "addons": consul})).await.expect("taken");
    place.reason("Stalled", "UnequalWeights").await;
    assert!(place.children().await.is_empty());
    place.apply(json!({"server": {"weights": [100, 100]}, "addons": consul})).await.expect("taken");
    place.reason("Stalled", "NotStalled").await;
    // What only the API server finds is told in its words.
    place.apply(json!({"podTemplate": {"labels": {"not a label": "x"}}})).await.expect("taken");
    place.reason("Stalled", "ObjectRefused").await;
    operator.stop().await;
}
