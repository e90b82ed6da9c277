//! The end of a resource.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use user_info_operator::kind::Kind;
use user_info_testing::wait::{eventually, stays, within};

use crate::charts::{foreign, repository};
use crate::failures::tamper;
use crate::harness::{LIMIT, Place, charts, helm};
use crate::releases::{INSTALLED, calls, deployed, newest, revisions, status};
use crate::volumes::undeleted;

async fn gone(place: &Place) {
    place.resources().delete("demo", &DeleteParams::default()).await.expect("deleted");
    eventually("end of the resource", async || place.resources().get_opt("demo").await.expect("an answer").is_none().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn nothing_is_left() {
    let place = Place::new().await;
    let operator = place.operator();
    place.apply(json!({"networkPolicy": {"enabled": true}})).await.expect("taken");
    place.settled().await;
    gone(&place).await;
    assert!(place.children().await.is_empty());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn retained_it_goes_on_and_can_be_taken_up_again() {
    let place = Place::new().await;
    let operator = place.operator();
    place.apply(json!({"deletionPolicy": "Retain"})).await.expect("taken");
    place.settled().await;
    let before = place.get(Kind::Deployment, "demo-user-info").await.expect("there");
    gone(&place).await;
    let after = place.get(Kind::Deployment, "demo-user-info").await.expect("there");
    assert_eq!(after["metadata"]["uid"], before["metadata"]["uid"]);
    assert!(after["metadata"]["ownerReferences"].is_null());
    place.apply(json!({})).await.expect("taken");
    eventually("a new owner", async || {
        let again = place.get(Kind::Deployment, "demo-user-info").await?;
        (again["metadata"]["uid"] == before["metadata"]["uid"] && again["metadata"]["ownerReferences"].is_array()).then_some(())
    })
    .await;
    operator.stop().await;
}

/// Makes the resource one that was deleted ten minutes ago.
async fn long_ago(place: &Place) {
    let demo = place.resources().get("demo").await.expect("there");
    let since = demo.metadata.deletion_timestamp.expect("deleted");
    let Value::String(now) = serde_json::to_value(&since).expect("a time") else { panic!("no text") };
    let Value::String(then) = serde_json::to_value(Time(since.0 - Duration::from_secs(600))).expect("a time") else { panic!("no text") };
    tamper(place, "demo", &format!("\"deletionTimestamp\":\"{now}\""), &format!("\"deletionTimestamp\":\"{then}\"")).await;
}

/// The notes of the Events with this reason.
async fn notes(place: &Place, reason: &str) -> Vec<String> {
    let events: Api<Event> = Api::namespaced(place.client.clone(), &place.namespace);
    let all = events.list(&ListParams::default()).await.expect("a list").items;
    all.into_iter().filter(|event| event.reason.as_deref() == Some(reason)).filter_map(|event| event.note).collect()
}

async fn abandon(place: &Place) {
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"userinfo.bbs.dev/abandon-releases": "true"}}}));
    place.resources().patch("demo", &PatchParams::default(), &patch).await.expect("patched");
}

async fn ended(place: &Place) {
    within(INSTALLED, "end of the resource", async || place.resources().get_opt("demo").await.expect("an answer").is_none().then_some(()))
        .await;
}

async fn installed(place: &Place) {
    place.apply(json!({"data": {"redis": {"mode": "Managed", "persistence": {}}}})).await.expect("taken");
    deployed(place, "demo-redis", 1).await;
    within(INSTALLED, "a claim", async || (undeleted(place).await == ["data-demo-redis-0"]).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn releases_go_however_long_the_operator_was_away() {
    let place = Place::new().await;
    let operator = place.operator();
    installed(&place).await;
    operator.stop().await;
    place.resources().delete("demo", &DeleteParams::default()).await.expect("deleted");
    long_ago(&place).await;
    let operator = place.operator();
    ended(&place).await;
    assert_eq!(revisions(&place).await, BTreeMap::new());
    assert!(place.get(Kind::StatefulSet, "demo-redis").await.is_none());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn what_the_end_waits_for_is_told_however_long_it_takes() {
    let place = Place::new().await;
    let operator = place.operator();
    installed(&place).await;
    place.merge(Kind::ConfigMap, "demo-redis", json!({"metadata": {"finalizers": ["test/hold"]}})).await;
    place.resources().delete("demo", &DeleteParams::default()).await.expect("deleted");
    long_ago(&place).await;
    let told = |found: &(String, String, String)| found.1 == "Removing" && found.2.contains("ConfigMap demo-redis");
    within(INSTALLED, "a condition", async || place.condition("Ready").await.filter(told)).await;
    assert!(place.condition("Progressing").await.is_some_and(|found| found.0 == "True" && found.1 == "Removing"));
    eventually("an Event", async || notes(&place, "Removing").await.iter().any(|note| note.contains("ConfigMap demo-redis")).then_some(()))
        .await;
    assert_eq!(revisions(&place).await, BTreeMap::new(), "the release itself is gone");
    place.merge(Kind::ConfigMap, "demo-redis", json!({"metadata": {"finalizers": null}})).await;
    within(LIMIT * 2, "end of the resource", async || place.resources().get_opt("demo").await.expect("an answer").is_none().then_some(()))
        .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn releases_that_helm_cannot_remove_are_waited_for_until_they_are_abandoned() {
    let place = Place::new().await;
    let operator = place.operator();
    installed(&place).await;
    operator.stop().await;
    let mut broken = helm();
    broken.program.helm = "/nowhere/helm".into();
    let operator = place.operator_of(place.client.clone(), broken);
    place.resources().delete("demo", &DeleteParams::default()).await.expect("deleted");
    long_ago(&place).await;
    place.reason("Degraded", "HelmFailed").await;
    let (_, reason, message) = place.condition("Ready").await.expect("a condition");
    assert!(reason == "Removing" && message.contains("Helm release demo-redis"), "{reason}: {message}");
    assert!(message.contains("userinfo.bbs.dev/abandon-releases=true"), "{message}");
    eventually("an Event", async || notes(&place, "HelmFailed").await.iter().any(|note| note.contains("demo-redis")).then_some(())).await;
    abandon(&place).await;
    ended(&place).await;
    let left = eventually("an Event", async || notes(&place, "Leftovers").await.pop()).await;
    for part in ["Helm release demo-redis", "StatefulSet demo-redis", "Secret demo-redis", "PersistentVolumeClaim data-demo-redis-0"] {
        assert!(left.contains(part), "{part} is not in: {left}");
    }
    let counted = "user_info_operator_leftovers_total{cause=\"abandoned\"}";
    eventually("a count", async || operator.metric(counted).filter(|count| *count >= 5)).await;
    assert_eq!(newest(&place, "demo-redis").await, Some((1, "deployed".to_owned())));
    assert_eq!(undeleted(&place).await, ["data-demo-redis-0"]);
    eventually("the children's end", async || place.children().await.is_empty().then_some(())).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn no_volume_goes_under_a_store_that_runs() {
    let place = Place::new().await;
    let operator = place.operator();
    installed(&place).await;
    operator.stop().await;
    // Helm's own record is lost, and the store runs on.
    let secrets = place.api(Kind::Secret);
    secrets.delete_collection(&DeleteParams::default(), &ListParams::default().labels("owner=helm")).await.expect("deleted");
    let operator = place.operator();
    place.resources().delete("demo", &DeleteParams::default()).await.expect("deleted");
    let told = |found: &(String, String, String)| found.2.contains("StatefulSet demo-redis");
    within(INSTALLED, "a condition", async || place.condition("Ready").await.filter(told)).await;
    stays(&vec!["data-demo-redis-0".to_owned()], Duration::from_secs(3), async || undeleted(&place).await).await;
    for kind in [Kind::StatefulSet, Kind::Service, Kind::ConfigMap, Kind::Secret] {
        place.api(kind).delete("demo-redis", &DeleteParams::background()).await.expect("deleted");
    }
    within(LIMIT * 2, "end of the resource", async || place.resources().get_opt("demo").await.expect("an answer").is_none().then_some(()))
        .await;
    assert_eq!(undeleted(&place).await, Vec::<String>::new());
    operator.stop().await;
}

/// Redis' chart, which also makes a cluster role.
fn with_role(folder: &Path, role: &str) -> PathBuf {
    let chart = folder.join("redis");
    let copied = std::process::Command::new("cp").arg("-r").arg(charts().join("redis")).arg(&chart).status().expect("cp");
    assert!(copied.success());
    let manifest = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": role}, "rules": []});
    std::fs::write(chart.join("templates/role.yaml"), manifest.to_string()).expect("written");
    chart
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn in_a_namespace_that_is_deleted_no_helm_is_run_and_what_is_elsewhere_is_told() {
    let place = Place::new().await;
    let (chart, folder) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let url = repository(folder.path(), &with_role(chart.path(), &place.namespace)).await;
    let who = json!({"metadata": {"name": "who"}, "stringData": {"username": "me", "password": "hidden"}});
    place.api(Kind::Secret).create(&PostParams::default(), &serde_json::from_value(who).expect("a Secret")).await.expect("made");
    // Whoever installs for the namespace may make roles of the cluster.
    let admin: ClusterRoleBinding = serde_json::from_value(json!({
        "metadata": {"name": place.namespace}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", "name": "user-info-charts", "namespace": place.namespace}],
    }))
    .expect("a binding");
    let bindings: Api<ClusterRoleBinding> = Api::all(place.client.clone());
    bindings.create(&PostParams::default(), &admin).await.expect("made");
    let operator = foreign(&place);
    let from = json!({"source": "Repository", "url": url, "name": "redis", "version": "0.1.0", "secretRef": {"name": "who"}});
    place.apply(json!({"data": {"redis": {"mode": "Managed", "chart": from}}})).await.expect("taken");
    let elsewhere = format!("ClusterRole {}", place.namespace);
    within(INSTALLED, "a list of what is elsewhere", async || {
        status(&place, "redis").await.filter(|redis| redis.outside == [elsewhere.clone()])
    })
    .await;
    operator.stop().await;

    // Helm's own record goes before anyone looks.
    Api::<Namespace>::all(place.client.clone()).delete(&place.namespace, &DeleteParams::default()).await.expect("deleted");
    within(INSTALLED, "the end of the releases", async || revisions(&place).await.is_empty().then_some(())).await;
    let operator = place.operator();
    ended(&place).await;
    assert_eq!(calls(&operator), "");
    let counted = "user_info_operator_leftovers_total{cause=\"namespace\"}";
    eventually("a count", async || operator.metric(counted).filter(|count| *count == 1)).await;
    operator.stop().await;
    Api::<ClusterRole>::all(place.client.clone()).delete(&place.namespace, &DeleteParams::default()).await.expect("still there");
    bindings.delete(&place.namespace, &DeleteParams::default()).await.expect("deleted");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn an_operator_that_sees_its_namespace_go_runs_no_helm_either() {
    let place = Place::new().await;
    let operator = place.operator();
    installed(&place).await;
    let before = calls(&operator);
    // Helm's record outlives the resource, as it may by chance.
    let record = "sh.helm.release.v1.demo-redis.v1";
    place.merge(Kind::Secret, record, json!({"metadata": {"finalizers": ["test/hold"]}})).await;
    Api::<Namespace>::all(place.client.clone()).delete(&place.namespace, &DeleteParams::default()).await.expect("deleted");
    ended(&place).await;
    assert_eq!(calls(&operator), before);
    place.merge(Kind::Secret, record, json!({"metadata": {"finalizers": null}})).await;
    operator.stop().await;
}
