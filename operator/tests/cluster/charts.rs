//! Where charts and their values come from, and what stands in a release's place.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use user_info_operator::helm::Helm;
use user_info_operator::kind::Kind;
use user_info_testing::wait::within;

use crate::harness::{Operator, Place, helm, kubeconfig};
use crate::releases::{INSTALLED, deployed, newest, redis};

/// A chart repository with one chart that asks for a name and a password. Returns its URL.
pub(crate) async fn repository(folder: &std::path::Path, chart: &std::path::Path) -> String {
    for arguments in [vec!["package".into(), chart.to_owned(), "--destination".into()], vec!["repo".into(), "index".into()]] {
        let made = std::process::Command::new(helm().program.helm).args(arguments).arg(folder).output().expect("helm");
        assert!(made.status.success(), "{made:?}");
    }
    let folder = folder.to_owned();
    let files = axum::Router::new().fallback(async move |request: axum::extract::Request| {
        // me:hidden
        if request.headers().get("authorization").is_none_or(|who| who != "Basic bWU6aGlkZGVu") {
            return (http::StatusCode::UNAUTHORIZED, Vec::new());
        }
        let file = folder.join(request.uri().path().trim_start_matches('/'));
        std::fs::read(file).map_or((http::StatusCode::NOT_FOUND, Vec::new()), |content| (http::StatusCode::OK, content))
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, files).await });
    format!("http://{address}")
}

/// Starts an operator that takes charts from elsewhere.
pub(crate) fn foreign(place: &Place) -> Operator {
    place.operator_of(place.client.clone(), Helm { foreign: true, ..helm() })
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn what_a_chart_needs_and_is_not_there_is_named_and_waited_for() {
    let place = Place::new().await;
    let operator = foreign(&place);
    let chart = |chart: Value| json!({"data": {"redis": {"mode": "Managed", "chart": chart}}});
    let says = async |reason: &str, part: &str| {
        let found = within(INSTALLED, reason, async || place.condition("Degraded").await.filter(|found| found.1 == reason)).await;
        assert!(found.2.contains(part), "{found:?}");
    };
    place.apply(json!({"data": {"redis": {"mode": "Managed", "valuesFrom": [{"kind": "Secret", "name": "more"}]}}})).await.expect("taken");
    says("ValuesMissing", "redis: spec.data.redis.valuesFrom[0]: Secret more does not exist").await;
    place.apply(chart(json!({"source": "OCI", "url": "oci://127.0.0.1:1/redis", "secretRef": {"name": "who"}}))).await.expect("taken");
    says("SecretMissing", "Secret who does not exist").await;
    place.apply(chart(json!({"source": "Repository", "url": "http://127.0.0.1:1", "name": "redis"}))).await.expect("taken");
    says("RepositoryUnreachable", "redis: looks like \"http://127.0.0.1:1\" is not a valid chart repository or cannot be reached").await;

    let secrets: Api<Secret> = Api::namespaced(place.client.clone(), &place.namespace);
    let more = Secret {
        metadata: ObjectMeta { name: Some("more".to_owned()), ..ObjectMeta::default() },
        string_data: Some(BTreeMap::from([("values.yaml".to_owned(), "{maxMemory: 1gb, maxMemoryPolicy: allkeys-lru}".to_owned())])),
        ..Secret::default()
    };
    let from = json!([{"kind": "Secret", "name": "more"}, {"kind": "ConfigMap", "name": "none", "optional": true}]);
    place.apply(json!({"data": {"redis": {"mode": "Managed", "valuesFrom": from, "values": {"maxMemory": "2gb"}}}})).await.expect("taken");
    secrets.create(&PostParams::default(), &more).await.expect("made");
    deployed(&place, "demo-redis", 1).await;
    let config = place.get(Kind::ConfigMap, "demo-redis").await.expect("there")["data"]["redis.conf"].to_string();
    assert!(config.contains("maxmemory 2gb") && config.contains("allkeys-lru"), "{config}");
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_release_of_someone_else_is_left_alone() {
    let place = Place::new().await;
    let mut command = std::process::Command::new(helm().program.helm);
    command.args(["install", "demo-redis"]).arg(crate::harness::charts().join("redis")).arg("--namespace").arg(&place.namespace);
    assert!(command.arg("--kubeconfig").arg(kubeconfig()).output().expect("helm").status.success());
    let operator = place.operator();
    place.apply(redis(&json!({}))).await.expect("taken");
    place.reason("Degraded", "ReleaseForeign").await;
    place.apply(json!({})).await.expect("taken");
    place.reason("Degraded", "AsExpected").await;
    assert_eq!(newest(&place, "demo-redis").await, Some((1, "deployed".to_owned())));
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_chart_comes_from_a_repository_that_asks_who_one_is() {
    let place = Place::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let url = repository(folder.path(), &crate::harness::charts().join("redis")).await;
    let secrets: Api<Secret> = Api::namespaced(place.client.clone(), &place.namespace);
    let who = |password: &str| -> Secret {
        serde_json::from_value(json!({"metadata": {"name": "who"}, "stringData": {"username": "me", "password": password}}))
            .expect("a Secret")
    };
    secrets.create(&PostParams::default(), &who("wrong")).await.expect("made");
    let operator = foreign(&place);
    let from = |chart: &str| json!({"data": {"redis": {"mode": "Managed", "chart": {"source": "Repository", "url": url, "name": chart, "version": "0.1.0", "secretRef": {"name": "who"}}}}});
    place.apply(from("redis")).await.expect("taken");
    place.reason("Degraded", "RepositoryRefused").await;
    let right = Patch::Merge(json!({"stringData": {"password": "hidden"}}));
    secrets.patch("who", &PatchParams::default(), &right).await.expect("patched");
    deployed(&place, "demo-redis", 1).await;
    place.reason("Degraded", "AsExpected").await;
    place.apply(from("nothing")).await.expect("taken");
    place.reason("Degraded", "ChartNotFound").await;
    operator.stop().await;
}
