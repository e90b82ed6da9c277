//! Objects of others that stand where the operator's are to be.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use http::Method;
use kube::ResourceExt;
use kube::api::{DeleteParams, DynamicObject, ObjectMeta, PostParams};
use serde_json::{Value, json};
use user_info_operator::kind::Kind;
use user_info_operator::names::OPERATOR;
use user_info_testing::wait::{eventually, stays, within};

use crate::harness::{Place, charts, helm, kubeconfig};
use crate::intercept::{self, Fate};
use crate::releases::{INSTALLED, newest, redis};
use crate::volumes::undeleted;

/// A spec that takes an object of every kind which the cluster has without a node.
fn everything() -> Value {
    json!({
        "networkPolicy": {"enabled": true}, "disruption": {"maxUnavailable": 1}, "server": {"resources": {"requests": {"cpu": "50m"}}},
        "autoscaling": {"mode": "Managed", "minReplicas": 1, "maxReplicas": 3},
    })
}

/// Objects under the names of the operator's, one of each kind.
fn others() -> Vec<(Kind, &'static str, Value)> {
    let labels = json!({"matchLabels": {"app": "other"}});
    let pod = json!({"metadata": {"labels": {"app": "other"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let target = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "other"});
    vec![
        (Kind::ServiceAccount, "demo-user-info", json!({})),
        (Kind::ConfigMap, "demo-user-info", json!({"data": {"theirs": "1"}})),
        (Kind::Service, "demo-user-client", json!({"spec": {"selector": {"app": "other"}, "ports": [{"port": 80}]}})),
        (Kind::NetworkPolicy, "demo-user-info", json!({"spec": {"podSelector": labels}})),
        (Kind::PodDisruptionBudget, "demo-user-info", json!({"spec": {"selector": labels, "minAvailable": 1}})),
        (Kind::Deployment, "demo-user-client", json!({"spec": {"replicas": 0, "selector": labels, "template": pod}})),
        (Kind::HorizontalPodAutoscaler, "demo-user-info", json!({"spec": {"scaleTargetRef": target, "maxReplicas": 2}})),
    ]
}

pub(crate) async fn make(place: &Place, kind: Kind, name: &str, mut object: Value) -> DynamicObject {
    let resource = kind.resource();
    object["apiVersion"] = resource.api_version.into();
    object["kind"] = resource.kind.into();
    object["metadata"]["name"] = name.into();
    let object = serde_json::from_value(object).expect("an object");
    place.api(kind).create(&PostParams::default(), &object).await.expect("made")
}

/// Everything but what the cluster's own controllers write.
fn untouched(object: &Value) -> Value {
    let metadata = &object["metadata"];
    json!([metadata["uid"], metadata["labels"], metadata["ownerReferences"], metadata["deletionTimestamp"], object["spec"], object["data"]])
}

/// The entries of managed fields of children that are not one alone, by having applied.
pub(crate) async fn unsettled(place: &Place) -> BTreeMap<String, Vec<String>> {
    let mut all = BTreeMap::new();
    for (title, child) in place.children().await {
        let entries = child["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
        let own = entries.iter().filter(|entry| entry["manager"] == OPERATOR && entry["subresource"].is_null());
        let own: Vec<_> = own.map(|entry| entry["operation"].as_str().unwrap_or_default().to_owned()).collect();
        if own != ["Apply"] {
            all.insert(title, own);
        }
    }
    all
}

async fn gone(place: &Place) {
    place.resources().delete("demo", &DeleteParams::default()).await.expect("deleted");
    within(INSTALLED, "end of the resource", async || place.resources().get_opt("demo").await.expect("an answer").is_none().then_some(()))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn what_someone_else_made_is_left_alone_until_it_is_offered() {
    let place = Place::new().await;
    let mut before = Vec::new();
    for (kind, name, object) in others() {
        let made = make(&place, kind, name, object).await;
        before.push((kind, name, untouched(&serde_json::to_value(made).expect("JSON"))));
    }
    let same = async || {
        for (kind, name, before) in &before {
            let now = place.get(*kind, name).await.expect("still there");
            assert_eq!(untouched(&now), *before, "{} {name}", kind.name());
        }
    };
    let operator = place.operator();
    place.apply(everything()).await.expect("taken");
    place.reason("Ready", "ObjectForeign").await;
    let (_, _, message) = place.condition("Degraded").await.expect("a condition");
    for (kind, name, _) in &before {
        assert!(message.contains(&format!("{} {name}", kind.name())), "{} {name} in: {message}", kind.name());
    }
    assert!(message.contains("userinfo.bbs.dev/adopt=demo"), "{message}");
    assert!(place.get(Kind::Deployment, "demo-user-info").await.is_none(), "no pod begins beside what is not ours");
    same().await;
    gone(&place).await;
    same().await;

    // Offered, they are taken.
    for (kind, name, _) in &before {
        place.merge(*kind, name, json!({"metadata": {"annotations": {"userinfo.bbs.dev/adopt": "demo"}}})).await;
    }
    // But for what cannot be changed in a Deployment.
    place.api(Kind::Deployment).delete("demo-user-client", &DeleteParams::background()).await.expect("deleted");
    place.apply(everything()).await.expect("taken");
    place.reason("Ready", "InstancesNotReady").await;
    let uid = place.resources().get("demo").await.expect("there").uid();
    for (kind, name, before) in before.iter().filter(|(kind, ..)| *kind != Kind::Deployment) {
        let now = place.get(*kind, name).await.expect("there");
        assert_eq!(now["metadata"]["uid"], before[0], "{} {name} was not made anew", kind.name());
        assert_eq!(now["metadata"]["ownerReferences"][0]["uid"].as_str(), uid.as_deref(), "{} {name}", kind.name());
        assert!(now["metadata"]["annotations"]["userinfo.bbs.dev/adopt"].is_null());
    }
    let data = place.get(Kind::ConfigMap, "demo-user-info").await.expect("there")["data"].clone();
    assert!(data["theirs"].is_null() && data["user_info.yaml"].is_string(), "{data}");
    assert_eq!(unsettled(&place).await, BTreeMap::new());
    gone(&place).await;
    assert!(place.children().await.is_empty());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn copied_labels_do_not_make_an_object_ours() {
    let place = Place::new().await;
    let owner = make(&place, Kind::ConfigMap, "owner", json!({})).await;
    let controller = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner.uid(), "controller": true}]);
    let labels = json!({"app.kubernetes.io/managed-by": OPERATOR, "app.kubernetes.io/instance": "demo"});
    for (kind, name) in [(Kind::ConfigMap, "copy"), (Kind::Service, "demo-user-client")] {
        let spec = if kind == Kind::Service { json!({"ports": [{"port": 80}]}) } else { Value::Null };
        let mut object = json!({"metadata": {"labels": labels, "ownerReferences": controller}});
        if !spec.is_null() {
            object["spec"] = spec;
        }
        make(&place, kind, name, object).await;
    }
    let operator = place.operator();
    place.apply(json!({})).await.expect("taken");
    place.reason("Ready", "ObjectForeign").await;
    let (_, _, message) = place.condition("Ready").await.expect("a condition");
    assert!(message.contains("Service demo-user-client") && message.contains("controlled by ConfigMap owner"), "{message}");
    // The orphans of a system that stands are removed, and this is none of them.
    place.apply(json!({"client": {"enabled": false}})).await.expect("taken");
    place.reason("Ready", "InstancesNotReady").await;
    let there = async || {
        let copy = place.get(Kind::ConfigMap, "copy").await.map(|copy| copy["metadata"]["deletionTimestamp"].is_null());
        let service = place.get(Kind::Service, "demo-user-client").await.map(|it| it["metadata"]["deletionTimestamp"].is_null());
        (copy, service)
    };
    stays(&(Some(true), Some(true)), Duration::from_secs(2), there).await;
    gone(&place).await;
    assert_eq!(there().await, (Some(true), Some(true)));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn what_is_no_longer_applied_goes() {
    let place = Place::new().await;
    let operator = place.operator();
    place.apply(json!({"podTemplate": {"annotations": {"note": "a"}}})).await.expect("taken");
    place.settled().await;
    assert_eq!(unsettled(&place).await, BTreeMap::new());
    let note = async || {
        let template = place.get(Kind::Deployment, "demo-user-info").await.expect("there")["spec"]["template"].clone();
        template["metadata"]["annotations"]["note"].as_str().map(str::to_owned)
    };
    assert_eq!(note().await.as_deref(), Some("a"));
    place.apply(json!({})).await.expect("taken");
    eventually("a template without the note", async || note().await.is_none().then_some(())).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn an_object_that_takes_the_place_of_ours_is_not_written_to() {
    let place = Place::new().await;
    let (objects, armed) = (place.api(Kind::ConfigMap), Arc::new(AtomicBool::new(false)));
    // The object is replaced by one of someone else's just before it is applied.
    let trigger = Arc::clone(&armed);
    let client = intercept::client(move |request| {
        let (objects, armed) = (objects.clone(), Arc::clone(&trigger));
        if request.method() != Method::PATCH || !request.uri().path().ends_with("/configmaps/demo-user-info") {
            return Fate::Sent;
        }
        let replace = async move {
            if armed.swap(false, Ordering::SeqCst) {
                objects.delete("demo-user-info", &DeleteParams::background()).await?;
                let meta = ObjectMeta { name: Some("demo-user-info".to_owned()), ..ObjectMeta::default() };
                let theirs = DynamicObject { types: None, metadata: meta, data: json!({"data": {"theirs": "1"}}) };
                objects.create(&PostParams::default(), &theirs).await?;
            }
            Ok(())
        };
        Fate::SentAfter(replace.boxed())
    })
    .await;
    let operator = place.operator_with(client);
    place.apply(json!({})).await.expect("taken");
    place.settled().await;
    armed.store(true, Ordering::SeqCst);
    place.apply(json!({"rateLimiter": {"requestsPerSecond": 77}})).await.expect("taken");
    place.reason("Ready", "ObjectForeign").await;
    let theirs = place.get(Kind::ConfigMap, "demo-user-info").await.expect("there");
    assert!(!armed.load(Ordering::SeqCst) && theirs["data"] == json!({"theirs": "1"}), "{theirs}");
    assert!(theirs["metadata"]["ownerReferences"].is_null() && theirs["metadata"]["labels"].is_null(), "{theirs}");
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn what_stands_in_the_place_of_a_releases_object_is_named() {
    let place = Place::new().await;
    make(&place, Kind::Secret, "demo-redis", json!({"stringData": {"password": "theirs"}})).await;
    let operator = place.operator();
    place.apply(redis(&json!({}))).await.expect("taken");
    place.reason("Degraded", "ObjectForeign").await;
    let (_, _, message) = place.condition("Degraded").await.expect("a condition");
    assert!(message.contains("Secret \"demo-redis\""), "{message}");
    let theirs = place.get(Kind::Secret, "demo-redis").await.expect("there");
    assert!(theirs["metadata"]["labels"].is_null(), "{theirs}");
    gone(&place).await;
    assert!(place.get(Kind::Secret, "demo-redis").await.is_some());
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn the_end_does_not_touch_the_release_of_someone_else_nor_its_volumes() {
    let place = Place::new().await;
    let mut command = std::process::Command::new(helm().program.helm);
    command.args(["install", "demo-redis"]).arg(charts().join("redis")).arg("--namespace").arg(&place.namespace);
    command.args(["--set", "persistence.enabled=true,instance=demo"]);
    assert!(command.arg("--kubeconfig").arg(kubeconfig()).output().expect("helm").status.success());
    within(INSTALLED, "a claim", async || (undeleted(&place).await == ["data-demo-redis-0"]).then_some(())).await;
    let operator = place.operator();
    place.apply(redis(&json!({}))).await.expect("taken");
    place.reason("Degraded", "ReleaseForeign").await;
    gone(&place).await;
    let set = place.get(Kind::StatefulSet, "demo-redis").await.expect("still there");
    assert!(set["metadata"]["deletionTimestamp"].is_null());
    stays(&(vec!["data-demo-redis-0".to_owned()], Some((1, "deployed".to_owned()))), Duration::from_secs(1), async || {
        (undeleted(&place).await, newest(&place, "demo-redis").await)
    })
    .await;
    operator.stop().await;
}
