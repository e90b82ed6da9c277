//! Whose rights Helm has: those of an account of the namespace, and no others.

use std::io::{Read, Write};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, ServiceAccount};
use kube::Api;
use kube::api::{DeleteParams, ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use user_info_operator::kind::Kind;
use user_info_operator::names::CHARTS;
use user_info_operator::roles::Roles;
use user_info_testing::wait::{eventually, within};

use crate::charts::{foreign, repository};
use crate::harness::{LIMIT, Place, ROLES, charts, helm, rendered};
use crate::releases::{INSTALLED, calls, deployed, newest, redis, revisions, up};

async fn gone(place: &Place, name: &str) {
    place.resources().delete(name, &DeleteParams::default()).await.expect("deleted");
    within(INSTALLED, "the end", async || place.resources().get_opt(name).await.expect("an answer").is_none().then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn the_account_comes_with_the_first_release_and_goes_with_the_last_resource() {
    let place = Place::new().await;
    let operator = place.operator();
    place.apply(json!({})).await.expect("taken");
    place.settled().await;
    assert!(place.get(Kind::ServiceAccount, CHARTS).await.is_none(), "without a release there is no need");
    place.apply(redis(&json!({}))).await.expect("taken");
    deployed(&place, "demo-redis", 1).await;
    let binding = place.get(Kind::RoleBinding, CHARTS).await.expect("a binding");
    assert_eq!(binding["roleRef"]["name"], format!("{ROLES}-charts"));
    assert_eq!(binding["subjects"], json!([{"kind": "ServiceAccount", "name": CHARTS, "namespace": place.namespace}]));

    let none = json!({"mode": "Disabled"});
    let other = json!({"apiVersion": "userinfo.bbs.dev/v1alpha1", "kind": "UserInfoDeployment", "metadata": {"name": "other"},
                       "spec": {"addons": {"consul": none, "prometheus": none, "grafana": none}}});
    place.resources().patch("other", &PatchParams::apply("test"), &Patch::Apply(&other)).await.expect("taken");
    eventually("the other one's services", async || place.get(Kind::Deployment, "other-user-info").await).await;
    gone(&place, "demo").await;
    assert!(place.get(Kind::ServiceAccount, CHARTS).await.is_some(), "another resource is left");
    gone(&place, "other").await;
    for kind in [Kind::ServiceAccount, Kind::RoleBinding] {
        assert!(place.get(kind, CHARTS).await.is_none(), "{}", kind.name());
    }
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn an_account_of_someone_else_is_used_and_left_and_a_stale_binding_replaced() {
    let place = Place::new().await;
    let accounts: Api<ServiceAccount> = Api::namespaced(place.client.clone(), &place.namespace);
    let own =
        ServiceAccount { metadata: ObjectMeta { name: Some(CHARTS.to_owned()), ..ObjectMeta::default() }, ..ServiceAccount::default() };
    let uid = accounts.create(&PostParams::default(), &own).await.expect("made").metadata.uid;
    // An operator that was installed under another name left this.
    let before = place.operator_as(place.client.clone(), Roles::Cluster("gone:before".to_owned()), helm());
    place.apply(redis(&json!({}))).await.expect("taken");
    place.reason("Degraded", "AccountMissing").await;
    assert!(revisions(&place).await.is_empty());
    before.stop().await;
    let operator = place.operator();
    deployed(&place, "demo-redis", 1).await;
    gone(&place, "demo").await;
    assert!(place.get(Kind::RoleBinding, CHARTS).await.is_none());
    assert_eq!(accounts.get(CHARTS).await.expect("left").metadata.uid, uid);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn where_the_account_is_not_the_operators_to_make_its_lack_is_told() {
    let place = Place::new().await;
    let operator = place.operator_as(place.client.clone(), Roles::Namespace, helm());
    place.apply(redis(&json!({}))).await.expect("taken");
    let says = async |part: &str| {
        let fits = |found: &(String, String, String)| found.1 == "AccountMissing" && found.2.contains(part);
        within(LIMIT, part, async || place.condition("Degraded").await.filter(fits)).await
    };
    says(&format!("namespace {} has no ServiceAccount user-info-charts", place.namespace)).await;
    let (_, _, message) = says("watchNamespaces").await;
    assert!(message.starts_with("redis: "), "{message}");
    let made = rendered("role-charts.yaml", &[&format!("--set=watchNamespaces={{{}}}", place.namespace)]);
    let make = async |object: &Value| {
        let kind = [Kind::ServiceAccount, Kind::Role, Kind::RoleBinding].into_iter().find(|kind| object["kind"] == kind.name());
        let name = object["metadata"]["name"].as_str().expect("a name");
        place.api(kind.expect("a kind")).patch(name, &PatchParams::apply("test"), &Patch::Apply(object)).await.expect("made");
    };
    make(&made[0]).await;
    says("may not make Secrets").await;
    says(&format!("kubectl auth can-i --list --namespace={0} --as=system:serviceaccount:{0}:user-info-charts", place.namespace)).await;
    assert!(revisions(&place).await.is_empty(), "Helm was not called");
    for object in &made[1..] {
        make(object).await;
    }
    deployed(&place, "demo-redis", 1).await;
    place.reason("Degraded", "AsExpected").await;
    gone(&place, "demo").await;
    assert!(place.get(Kind::ServiceAccount, CHARTS).await.is_some(), "the chart's");
    operator.stop().await;
}

/// A revision that comes after `before`, with one object more.
fn forged(before: &Secret, number: u32, object: &str) -> Secret {
    let packed = STANDARD.decode(&before.data.as_ref().expect("data")["release"].0).expect("base64");
    let mut text = String::new();
    GzDecoder::new(packed.as_slice()).read_to_string(&mut text).expect("gzip");
    let mut release: Value = serde_json::from_str(&text).expect("JSON");
    release["version"] = number.into();
    release["manifest"] = format!("{}\n---\n{object}", release["manifest"].as_str().expect("a manifest")).into();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(release.to_string().as_bytes()).expect("packed");
    let data = ByteString(STANDARD.encode(gzip.finish().expect("packed")).into_bytes());
    let mut labels = before.metadata.labels.clone().expect("labels");
    labels.insert("version".to_owned(), number.to_string());
    let annotations = [("userinfo.bbs.dev/baseline".to_owned(), "Service demo-redis=0".to_owned())].into();
    Secret {
        metadata: ObjectMeta {
            name: Some(format!("sh.helm.release.v1.demo-redis.v{number}")),
            labels: Some(labels),
            annotations: Some(annotations),
            ..ObjectMeta::default()
        },
        data: Some([("release".to_owned(), data)].into()),
        type_: before.type_.clone(),
        ..Secret::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_forged_release_changes_nothing_in_another_namespace() {
    let place = Place::new().await;
    let system: Api<ConfigMap> = Api::namespaced(place.client.clone(), "kube-system");
    let victim = place.namespace.as_str();
    let object = |value: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": victim}, "data": {"value": value}});
    system.patch(victim, &PatchParams::apply("test"), &Patch::Apply(object("kept"))).await.expect("made");
    let value = async || system.get_opt(victim).await.expect("an answer").map(|found| found.data.unwrap_or_default()["value"].clone());

    let operator = place.operator();
    place.apply(redis(&json!({}))).await.expect("taken");
    deployed(&place, "demo-redis", 1).await;
    operator.stop().await;
    let secrets: Api<Secret> = Api::namespaced(place.client.clone(), &place.namespace);
    let first = secrets.get("sh.helm.release.v1.demo-redis.v1").await.expect("there");
    let mut taken = object("taken");
    taken["metadata"]["namespace"] = "kube-system".into();
    let superseded = json!({"metadata": {"labels": {"status": "superseded"}}});
    let name = first.metadata.name.as_deref().expect("a name");
    secrets.patch(name, &PatchParams::default(), &Patch::Merge(superseded)).await.expect("patched");
    secrets.create(&PostParams::default(), &forged(&first, 2, &taken.to_string())).await.expect("forged");

    // It looks as if someone had changed an object of it, so that it is put back; that fails, and it is upgraded, which removes what the chart lacks.
    let operator = place.operator();
    let ended = async || newest(&place, "demo-redis").await.filter(|(number, status)| *number > 3 && status == "deployed");
    within(INSTALLED, "an upgrade of the forged release", ended).await;
    assert_eq!(value().await.as_deref(), Some("kept"));
    let calls = calls(&operator);
    assert!(calls.contains(r#"outcome="error",verb="repair"} 1"#), "{calls}");
    operator.stop().await;

    // Nor does its removal.
    let (number, _) = newest(&place, "demo-redis").await.expect("there");
    secrets.create(&PostParams::default(), &forged(&first, number + 1, &taken.to_string())).await.expect("forged");
    let operator = place.operator();
    gone(&place, "demo").await;
    assert_eq!(value().await.as_deref(), Some("kept"));
    operator.stop().await;
    system.delete(victim, &DeleteParams::default()).await.expect("removed");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_chart_reads_nothing_of_another_namespace() {
    let (place, other) = (Place::new().await, Place::new().await);
    let secrets: Api<Secret> = Api::namespaced(other.client.clone(), &other.namespace);
    let secret = json!({"metadata": {"name": "password"}, "stringData": {"password": "hidden"}});
    secrets.create(&PostParams::default(), &serde_json::from_value(secret).expect("a Secret")).await.expect("made");
    let folder = tempfile::tempdir().expect("a folder");
    let chart = folder.path().join("redis");
    copy(&charts().join("redis"), &chart);
    let leak = |namespace: &str| {
        let lookup = format!("{{{{ lookup \"v1\" \"Secret\" \"{namespace}\" \"\" | toJson | quote }}}}");
        let text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: leak}}\ndata:\n  found: {lookup}\n");
        std::fs::write(chart.join("templates/leak.yaml"), text).expect("written");
    };
    leak(&other.namespace);
    let served = tempfile::tempdir().expect("a folder");
    let url = repository(served.path(), &chart).await;
    let who = json!({"metadata": {"name": "who"}, "stringData": {"username": "me", "password": "hidden"}});
    let own: Api<Secret> = Api::namespaced(place.client.clone(), &place.namespace);
    own.create(&PostParams::default(), &serde_json::from_value(who).expect("a Secret")).await.expect("made");
    let operator = foreign(&place);
    let from = json!({"source": "Repository", "url": url, "name": "redis", "secretRef": {"name": "who"}});
    place.apply(json!({"data": {"redis": {"mode": "Managed", "chart": from}}})).await.expect("taken");
    place.reason("Degraded", "Forbidden").await;
    let (_, _, message) = place.condition("Degraded").await.expect("a condition");
    assert!(message.contains("cannot list resource \"secrets\"") && message.contains("kubectl auth can-i --list"), "{message}");
    assert!(place.get(Kind::ConfigMap, "leak").await.is_none());
    operator.stop().await;
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let done = std::process::Command::new("cp").arg("--recursive").args([from, to]).status().expect("cp");
    assert!(done.success());
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn charts_from_elsewhere_are_off_and_a_release_of_one_stays_as_it_is() {
    let place = Place::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let url = repository(folder.path(), &charts().join("redis")).await;
    let who = json!({"metadata": {"name": "who"}, "stringData": {"username": "me", "password": "hidden"}});
    let secrets: Api<Secret> = Api::namespaced(place.client.clone(), &place.namespace);
    secrets.create(&PostParams::default(), &serde_json::from_value(who).expect("a Secret")).await.expect("made");
    let spec = |limit: u32| {
        let chart = json!({"source": "Repository", "url": url, "name": "redis", "version": "0.1.0", "secretRef": {"name": "who"}});
        json!({"rateLimiter": {"requestsPerSecond": limit}, "data": {"redis": {"mode": "Managed", "chart": chart, "values": {"instance": "demo"}}}})
    };
    let operator = foreign(&place);
    place.apply(spec(7)).await.expect("taken");
    up(&place, "demo-redis").await;
    eventually("the services", async || place.get(Kind::Deployment, "demo-user-info").await).await;
    operator.stop().await;

    let operator = place.operator();
    place.reason("Degraded", "ChartForeign").await;
    let (_, _, message) = place.condition("Degraded").await.expect("a condition");
    assert!(message.contains("spec.data.redis.chart") && message.contains("charts.foreign: true"), "{message}");
    place.apply(spec(77)).await.expect("taken");
    eventually("the setting all the same", async || {
        let config = place.get(Kind::ConfigMap, "demo-user-info").await?;
        config["data"]["user_info.yaml"].as_str()?.contains("requestsPerSecond: 77").then_some(())
    })
    .await;
    assert_eq!(newest(&place, "demo-redis").await, Some((1, "deployed".to_owned())));
    operator.stop().await;
    // With the switch it is taken up again.
    let operator = foreign(&place);
    place.reason("Degraded", "AsExpected").await;
    gone(&place, "demo").await;
    assert!(revisions(&place).await.is_empty());
    operator.stop().await;
}
