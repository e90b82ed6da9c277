//! Releases, by the real Helm. No pod runs here, so the tests say that those of addons are up.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Pod, Secret};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use user_info_api::crd::{AddonPhase, AddonStatus};
use user_info_operator::kind::Kind;
use user_info_testing::wait::{eventually, stays, within};

use crate::harness::{Operator, Place};

/// How long a release may take to stand.
pub(crate) const INSTALLED: Duration = Duration::from_secs(30);

/// A resource with Redis alone.
pub(crate) fn redis(values: &Value) -> Value {
    json!({"data": {"redis": {"mode": "Managed", "values": values}}})
}

/// Number and status of each revision, by release.
pub(crate) async fn revisions(place: &Place) -> BTreeMap<String, Vec<(u32, String)>> {
    let secrets: Api<Secret> = Api::namespaced(place.client.clone(), &place.namespace);
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for secret in secrets.list_metadata(&ListParams::default().labels("owner=helm")).await.expect("a list") {
        let label = |key: &str| secret.labels()[key].clone();
        all.entry(label("name")).or_default().push((label("version").parse().expect("a number"), label("status")));
    }
    all.values_mut().for_each(|history| history.sort());
    all
}

/// The newest revision of a release.
pub(crate) async fn newest(place: &Place, release: &str) -> Option<(u32, String)> {
    revisions(place).await.remove(release)?.pop()
}

pub(crate) async fn status(place: &Place, addon: &str) -> Option<AddonStatus> {
    place.resources().get("demo").await.expect("a resource").status?.addons.into_iter().find(|status| status.name == addon)
}

pub(crate) async fn phase(place: &Place, addon: &str, phase: AddonPhase) -> AddonStatus {
    let what = format!("{addon} in phase {phase:?}");
    within(INSTALLED, &what, async || status(place, addon).await.filter(|status| status.phase == phase)).await
}

/// Waits until a release is deployed with this revision.
pub(crate) async fn deployed(place: &Place, release: &str, number: u32) {
    let what = format!("revision {number} of {release}");
    within(INSTALLED, &what, async || newest(place, release).await.filter(|newest| *newest == (number, "deployed".to_owned()))).await;
}

/// Says that all pods of a release are ready, as a kubelet would.
pub(crate) async fn up(place: &Place, release: &str) {
    let sets: Api<StatefulSet> = Api::namespaced(place.client.clone(), &place.namespace);
    let pods: Api<Pod> = Api::namespaced(place.client.clone(), &place.namespace);
    let since = "2020-01-01T00:00:00Z";
    let ready = json!({"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": since}]}});
    within(INSTALLED, release, async || {
        let set = sets.get_opt(release).await.expect("an answer")?;
        let count = set.spec?.replicas.unwrap_or(1);
        for n in 0..count {
            // One that is not there yet comes later.
            let _ = pods.patch_status(&format!("{release}-{n}"), &PatchParams::default(), &Patch::Merge(&ready)).await;
        }
        (set.status?.available_replicas == Some(count)).then_some(())
    })
    .await;
}

pub(crate) fn calls(operator: &Operator) -> String {
    operator.metrics().lines().filter(|line| line.contains("helm_calls_total{")).map(str::to_owned).collect::<Vec<_>>().join("\n")
}

async fn quiet(place: &Place, operator: &Operator, span: Duration) {
    let before = (revisions(place).await, calls(operator));
    stays(&before, span, async || (revisions(place).await, calls(operator))).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn stores_and_registry_come_first_then_the_services_then_rest() {
    let place = Place::new().await;
    let operator = place.operator();
    let spec = json!({"data": {"redis": {"mode": "Managed"}}, "addons": {"consul": {"mode": "Managed", "values": {"replicas": 3}},
                      "prometheus": {"mode": "Managed"}, "grafana": {"mode": "Managed"}}});
    place.apply(spec).await.expect("taken");
    for release in ["demo-redis", "demo-consul", "demo-prometheus", "demo-grafana"] {
        deployed(&place, release, 1).await;
    }
    place.reason("Ready", "Waiting").await;
    assert!(place.get(Kind::Deployment, "demo-user-info").await.is_none(), "it waits for what it needs");
    up(&place, "demo-redis").await;
    up(&place, "demo-consul").await;
    let config = eventually("a config file", async || place.get(Kind::ConfigMap, "demo-user-info").await).await;
    let text = config["data"]["user_info.yaml"].as_str().expect("text").to_owned();
    for part in ["demo-consul-2.demo-consul-peers:8500", "demo-redis:6379", "/etc/user-info/secrets/demo-redis/password"] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    place.reason("Ready", "InstancesNotReady").await;
    place.reason("AddonsReady", "AddonsNotReady").await;
    up(&place, "demo-prometheus").await;
    up(&place, "demo-grafana").await;
    place.reason("AddonsReady", "AddonsReady").await;
    let consul = status(&place, "consul").await.expect("a status");
    assert_eq!((consul.release.as_deref(), consul.revision, consul.failures), (Some("demo-consul"), Some(1), 0));
    assert_eq!((consul.chart.as_deref(), consul.version.as_deref()), (Some("consul"), Some("0.1.0")));
    assert_eq!(consul.endpoint.as_deref(), Some("http://demo-consul:8500"));
    assert_eq!(consul.digest.map(|digest| digest.len()), Some(40));
    let scrapes = place.get(Kind::ConfigMap, "demo-prometheus").await.expect("there")["data"]["prometheus.yaml"].to_string();
    assert!(scrapes.contains("consul_sd_configs") && scrapes.contains("demo-consul:8500"), "{scrapes}");
    quiet(&place, &operator, Duration::from_secs(6)).await;
    operator.stop().await;

    // A new operator finds all of it as it is.
    let operator = place.operator();
    place.settled().await;
    quiet(&place, &operator, Duration::from_secs(6)).await;
    assert_eq!(calls(&operator), "");
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_changed_value_is_one_new_revision_of_that_release_only() {
    let place = Place::new().await;
    let operator = place.operator();
    let spec = |memory: &str| json!({"data": {"redis": {"mode": "Managed", "values": {"maxMemory": memory}}}, "addons": {"grafana": {"mode": "Managed"}}});
    place.apply(spec("64mb")).await.expect("taken");
    deployed(&place, "demo-redis", 1).await;
    deployed(&place, "demo-grafana", 1).await;
    place.apply(spec("65mb")).await.expect("taken");
    deployed(&place, "demo-redis", 2).await;
    eventually("the end of helm", async || calls(&operator).contains("upgrade").then_some(())).await;
    quiet(&place, &operator, Duration::from_secs(5)).await;
    assert_eq!(newest(&place, "demo-grafana").await.map(|newest| newest.0), Some(1));
    // What lies outside of the release's own part of the spec is no reason either.
    let mut other = spec("65mb");
    other["replicas"] = 4.into();
    place.apply(other).await.expect("taken");
    quiet(&place, &operator, Duration::from_secs(5)).await;
    let text = place.get(Kind::ConfigMap, "demo-redis").await.expect("there")["data"]["redis.conf"].to_string();
    assert!(text.contains("maxmemory 65mb"), "{text}");
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn what_someone_else_changes_in_a_release_is_put_back_with_the_same_password() {
    let place = Place::new().await;
    let operator = place.operator();
    place.apply(redis(&json!({}))).await.expect("taken");
    deployed(&place, "demo-redis", 1).await;
    let password = async || place.get(Kind::Secret, "demo-redis").await.map(|secret| secret["data"]["password"].clone());
    let before = password().await.expect("a password");
    let baseline = async || {
        let secret = place.get(Kind::Secret, "sh.helm.release.v1.demo-redis.v1").await?;
        secret["metadata"]["annotations"]["userinfo.bbs.dev/baseline"].as_str().map(drop)
    };
    eventually("a baseline", baseline).await;
    place.api(Kind::Secret).delete("demo-redis", &DeleteParams::default()).await.expect("deleted");
    deployed(&place, "demo-redis", 2).await;
    assert_eq!(password().await, Some(before));
    operator.stop().await;

    // Also what was changed while nobody looked.
    let replicas = async || place.get(Kind::StatefulSet, "demo-redis").await.expect("there")["spec"]["replicas"].clone();
    let written = async || {
        let secret = place.get(Kind::Secret, "sh.helm.release.v1.demo-redis.v2").await?;
        secret["metadata"]["annotations"]["userinfo.bbs.dev/baseline"].as_str().map(drop)
    };
    let operator = place.operator();
    eventually("a baseline", written).await;
    operator.stop().await;
    place.merge(Kind::StatefulSet, "demo-redis", json!({"spec": {"replicas": 4}})).await;
    let operator = place.operator();
    eventually("the number as it was", async || (replicas().await == 1).then_some(())).await;
    deployed(&place, "demo-redis", 3).await;
    eventually("the end of helm", async || calls(&operator).contains("repair").then_some(())).await;
    quiet(&place, &operator, Duration::from_secs(4)).await;
    operator.stop().await;

    // Or is only told of.
    let mut spec = redis(&json!({}));
    spec["driftDetection"] = "Warn".into();
    let operator = place.operator();
    place.apply(spec).await.expect("taken");
    place.settled().await;
    place.merge(Kind::StatefulSet, "demo-redis", json!({"spec": {"replicas": 4}})).await;
    place.reason("Degraded", "Drifted").await;
    assert_eq!(replicas().await, 4);
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn what_helm_refuses_is_told_in_a_sentence_and_the_services_go_on() {
    let place = Place::new().await;
    let operator = place.operator();
    place.apply(redis(&json!({}))).await.expect("taken");
    up(&place, "demo-redis").await;
    eventually("the services", async || place.get(Kind::Deployment, "demo-user-info").await).await;
    let mut spec = redis(&json!({"port": "many"}));
    spec["rateLimiter"] = json!({"requestsPerSecond": 77});
    place.apply(spec).await.expect("taken");
    let failed = phase(&place, "redis", AddonPhase::Failed).await;
    let message = failed.message.expect("a message");
    assert_eq!(
        message,
        "values don't meet the specifications of the schema(s) in the following chart(s): redis: at '/port': got string, want integer"
    );
    place.reason("Degraded", "ValuesRefused").await;
    place.reason("AddonsReady", "ValuesRefused").await;
    eventually("more tries", async || status(&place, "redis").await.filter(|status| status.failures > 2)).await;
    let config = place.get(Kind::ConfigMap, "demo-user-info").await.expect("there")["data"]["user_info.yaml"].to_string();
    assert!(config.contains("requestsPerSecond: 77"), "live settings flow meanwhile: {config}");
    place.apply(redis(&json!({}))).await.expect("taken");
    place.reason("Degraded", "AsExpected").await;
    assert_eq!(newest(&place, "demo-redis").await.map(|newest| newest.0), Some(1), "nothing was written");
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_release_that_is_no_longer_wanted_goes_when_nobody_uses_it() {
    let place = Place::new().await;
    let operator = place.operator();
    let mut spec = redis(&json!({}));
    spec["replicas"] = 0.into();
    spec["client"] = json!({"enabled": false});
    place.apply(spec.clone()).await.expect("taken");
    up(&place, "demo-redis").await;
    phase(&place, "redis", AddonPhase::Ready).await;
    eventually("the services", async || place.get(Kind::Deployment, "demo-user-info").await).await;
    spec["data"]["redis"] = json!({"mode": "External", "address": "cache:6379"});
    place.apply(spec.clone()).await.expect("taken");
    eventually("its end", async || newest(&place, "demo-redis").await.is_none().then_some(())).await;
    let config = place.get(Kind::ConfigMap, "demo-user-info").await.expect("there");
    assert!(config["data"]["user_info.yaml"].to_string().contains("cache:6379"), "the services do not use it any more");
    let external = phase(&place, "redis", AddonPhase::Ready).await;
    assert_eq!((external.endpoint.as_deref(), external.release), (Some("cache:6379"), None));
    spec["data"]["redis"] = json!({"mode": "Managed"});
    place.apply(spec).await.expect("taken");
    deployed(&place, "demo-redis", 1).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn what_only_looks_at_the_services_goes_whether_or_not_they_are_well() {
    let place = Place::new().await;
    let operator = place.operator();
    let addons = |mode: &str| json!({"replicas": 2, "addons": {"prometheus": {"mode": mode}, "grafana": {"mode": mode}}});
    place.apply(addons("Managed")).await.expect("taken");
    deployed(&place, "demo-prometheus", 1).await;
    deployed(&place, "demo-grafana", 1).await;
    // Without a node no pod of the services ever gets ready.
    place.reason("Ready", "InstancesNotReady").await;
    place.apply(addons("Disabled")).await.expect("taken");
    for release in ["demo-prometheus", "demo-grafana"] {
        eventually("its end", async || newest(&place, release).await.is_none().then_some(())).await;
    }
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn at_the_end_every_release_is_removed_and_nothing_is_left() {
    let place = Place::new().await;
    let operator = place.operator();
    let managed = json!({"mode": "Managed"});
    place
        .apply(
            json!({"data": {"mysql": managed, "redis": managed}, "addons": {"consul": managed, "prometheus": managed, "grafana": managed}}),
        )
        .await
        .expect("taken");
    for release in ["demo-mysql", "demo-redis", "demo-consul", "demo-prometheus", "demo-grafana"] {
        deployed(&place, release, 1).await;
    }
    place.resources().delete("demo", &DeleteParams::default()).await.expect("deleted");
    within(INSTALLED, "the end", async || place.resources().get_opt("demo").await.expect("an answer").is_none().then_some(())).await;
    assert_eq!(revisions(&place).await, BTreeMap::new());
    for kind in Kind::RELEASED.into_iter().chain(Kind::OWN).filter(|kind| *kind != Kind::ServiceMonitor) {
        let left = place.api(kind).list(&ListParams::default().labels("app.kubernetes.io/instance=demo")).await.expect("a list");
        assert!(left.items.is_empty(), "{}: {:?}", kind.name(), left.items);
    }
    operator.stop().await;
}
