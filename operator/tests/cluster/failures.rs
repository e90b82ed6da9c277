//! What cannot be carried out.

use http::Request;
use http_body_util::BodyExt;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{ApiResource, DeleteParams, DynamicObject, ListParams, PostParams};
use serde_json::{Value, json};
use user_info_api::crd::UserInfoDeployment;
use user_info_operator::kind::Kind;
use user_info_testing::wait::eventually;

use crate::harness::Place;

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
    let metrics = operator.metrics();
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

/// Replaces part of what etcd stores of a resource, behind the API server's back: as if another version's definition had let it through.
pub(crate) async fn tamper(place: &Place, name: &str, part: &str, replacement: &str) {
    let key = ByteString(format!("/registry/userinfo.bbs.dev/userinfodeployments/{}/{name}", place.namespace).into_bytes());
    let found = etcd("range", json!({"key": key})).await;
    let ByteString(value) = serde_json::from_value(found["kvs"][0]["value"].clone()).expect("stored");
    let value = String::from_utf8(value).expect("JSON");
    assert!(value.contains(part), "{value}");
    etcd("put", json!({"key": key, "value": ByteString(value.replace(part, replacement).into_bytes())})).await;
}

/// A call of etcd's JSON gateway.
async fn etcd(call: &str, body: Value) -> Value {
    let client = Client::builder(TokioExecutor::new()).build_http::<String>();
    let request = Request::post(format!("http://127.0.0.1:2379/v3/kv/{call}")).body(body.to_string()).expect("a request");
    let reply = client.request(request).await.expect("etcd of the test cluster").into_body().collect().await.expect("a reply");
    serde_json::from_slice(&reply.to_bytes()).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_resource_that_cannot_be_read_stops_no_other_and_can_be_deleted() {
    let place = Place::new().await;
    let raw: Api<DynamicObject> =
        Api::namespaced_with(place.client.clone(), &place.namespace, &ApiResource::erase::<UserInfoDeployment>(&()));
    let broken = json!({
        "apiVersion": "userinfo.bbs.dev/v1alpha1", "kind": "UserInfoDeployment", "metadata": {"name": "broken"}, "spec": {"replicas": 7},
    });
    raw.create(&PostParams::default(), &serde_json::from_value(broken).expect("an object")).await.expect("taken");
    tamper(&place, "broken", "\"replicas\":7", "\"replicas\":\"many\"").await;
    let operator = place.operator();
    eventually("a condition that says what is wrong", async || {
        let resource = raw.get("broken").await.expect("there");
        let conditions = resource.data["status"]["conditions"].as_array()?.clone();
        let ready = conditions.into_iter().find(|condition| condition["type"] == "Ready")?;
        (ready["reason"] == "Unreadable" && ready["message"].to_string().contains("many")).then_some(())
    })
    .await;
    place.apply(json!({"replicas": 2})).await.expect("taken");
    place.reason("Ready", "InstancesNotReady").await;
    raw.delete("broken", &DeleteParams::default()).await.expect("deleted");
    eventually("its end", async || raw.get_opt("broken").await.expect("an answer").is_none().then_some(())).await;
    operator.stop().await;
}
