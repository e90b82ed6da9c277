//! What one does day by day: apply, change, and meddle.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use user_info_operator::discovery;
use user_info_operator::kind::Kind;
use user_info_testing::wait::{eventually, stays, within};

use crate::harness::Place;

/// How soon what someone else changed is changed back.
const RESTORED: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn one_object_becomes_a_system() {
    let place = Place::new().await;
    let operator = place.operator();
    place.apply(json!({"replicas": 2, "networkPolicy": {"enabled": true}, "disruption": {"maxUnavailable": 1}})).await.expect("taken");
    place.settled().await;
    let titles: Vec<_> = place.children().await.into_keys().collect();
    assert_eq!(
        titles,
        [
            "ConfigMap demo-user-client",
            "ConfigMap demo-user-info",
            "Deployment demo-user-client",
            "Deployment demo-user-info",
            "NetworkPolicy demo-user-client",
            "NetworkPolicy demo-user-info",
            "PodDisruptionBudget demo-user-info",
            "Service demo-user-client",
            "Service demo-user-info",
            "Service demo-user-info-peers",
            "ServiceAccount demo-user-client",
            "ServiceAccount demo-user-info",
        ]
    );
    place.reason("Ready", "InstancesNotReady").await;
    place.reason("AddonsReady", "AddonsReady").await;

    // What is no longer wanted goes.
    place.apply(json!({"client": {"enabled": false}})).await.expect("taken");
    eventually("removal of what is no longer wanted", async || {
        let left = place.children().await;
        (left.len() == 5 && left.keys().all(|title| !title.contains("client"))).then_some(())
    })
    .await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn whatever_is_meddled_with_is_restored() {
    let place = Place::new().await;
    let operator = place.operator();
    place.apply(json!({"replicas": 2})).await.expect("taken");
    place.settled().await;
    let before = essence(&place).await;
    let meddle: [(Kind, &str, Option<Value>); 9] = [
        (Kind::Deployment, "demo-user-info", None),
        (Kind::ConfigMap, "demo-user-client", None),
        (Kind::ConfigMap, "demo-user-info", Some(json!({"data": {"user_info.yaml": "generation: 9"}}))),
        (Kind::Service, "demo-user-info", Some(json!({"spec": {"ports": [{"name": "grpc", "port": 9999, "targetPort": "grpc"}]}}))),
        (Kind::Service, "demo-user-info-peers", Some(json!({"spec": {"selector": {"app.kubernetes.io/instance": "other"}}}))),
        (Kind::ServiceAccount, "demo-user-info", Some(json!({"metadata": {"labels": {"app.kubernetes.io/managed-by": null}}}))),
        (Kind::ServiceAccount, "demo-user-client", Some(json!({"metadata": {"ownerReferences": null}}))),
        (Kind::Deployment, "demo-user-client", Some(json!({"spec": {"replicas": 7}}))),
        (Kind::Deployment, "demo-user-client", Some(json!({"metadata": {"annotations": {"userinfo.bbs.dev/applied-hash": "no"}}}))),
    ];
    for (kind, name, patch) in meddle {
        match patch.clone() {
            None => drop(place.api(kind).delete(name, &DeleteParams::background()).await.expect("deleted")),
            Some(patch) => place.merge(kind, name, patch).await,
        }
        let what = format!("{} {name} as before {patch:?}", kind.name());
        within(RESTORED, &what, async || (essence(&place).await == before).then_some(())).await;
    }
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn meddling_is_only_told_of_if_the_resource_says_so() {
    let place = Place::new().await;
    let operator = place.operator();
    place.apply(json!({"driftDetection": "Warn"})).await.expect("taken");
    place.settled().await;
    let ports = json!({"spec": {"ports": [{"name": "grpc", "port": 9999, "targetPort": "grpc"}]}});
    place.merge(Kind::Service, "demo-user-info", ports.clone()).await;
    eventually("a word about it", async || {
        place.condition("Degraded").await.filter(|(_, reason, message)| reason == "Drifted" && message.contains("demo-user-info"))
    })
    .await;
    let port = async || place.get(Kind::Service, "demo-user-info").await.expect("there")["spec"]["ports"][0]["port"].clone();
    assert_eq!(port().await, json!(9999));
    // Corrected as soon as that is asked for.
    place.apply(json!({"driftDetection": "Correct"})).await.expect("taken");
    within(RESTORED, "the Service as before", async || (port().await != json!(9999)).then_some(())).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_service_monitor_is_made_where_that_kind_exists() {
    let place = Place::new().await;
    let crds: Api<CustomResourceDefinition> = Api::all(place.client.clone());
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "servicemonitors.monitoring.coreos.com"},
        "spec": {
            "group": "monitoring.coreos.com", "scope": "Namespaced",
            "names": {"kind": "ServiceMonitor", "plural": "servicemonitors", "singular": "servicemonitor"},
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            }],
        },
    });
    let name = "servicemonitors.monitoring.coreos.com";
    crds.patch(name, &PatchParams::apply("test"), &Patch::Apply(&definition)).await.expect("defined");
    discovery::wait_for(&place.client, "monitoring.coreos.com/v1", "ServiceMonitor", |_| {}).await;
    let operator = place.operator();
    place.apply(json!({"addons": {"prometheus": {"serviceMonitor": "Enabled"}}})).await.expect("taken");
    let monitor = eventually("a ServiceMonitor", async || place.get(Kind::ServiceMonitor, "demo-user-info").await).await;
    assert_eq!(monitor["spec"]["endpoints"][0]["path"], "/metrics", "{monitor}");
    place.api(Kind::ServiceMonitor).delete("demo-user-info", &DeleteParams::default()).await.expect("deleted");
    within(RESTORED, "the ServiceMonitor again", async || place.get(Kind::ServiceMonitor, "demo-user-info").await).await;
    place.apply(json!({"addons": {"prometheus": {"serviceMonitor": "Disabled"}}})).await.expect("taken");
    eventually("its end", async || place.get(Kind::ServiceMonitor, "demo-user-info").await.is_none().then_some(())).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_live_setting_reaches_the_config_file_and_no_template() {
    let place = Place::new().await;
    let operator = place.operator();
    place.apply(json!({})).await.expect("taken");
    place.settled().await;
    let template = async || place.get(Kind::Deployment, "demo-user-info").await.expect("there")["metadata"]["generation"].clone();
    let before = template().await;
    place.apply(json!({"rateLimiter": {"requestsPerSecond": 77}})).await.expect("taken");
    within(Duration::from_secs(2), "limit in the config file", async || {
        let config = place.get(Kind::ConfigMap, "demo-user-info").await?;
        config["data"]["user_info.yaml"].as_str()?.contains("requestsPerSecond: 77").then_some(())
    })
    .await;
    place.settled().await;
    assert_eq!(template().await, before, "pods are not replaced");
    place.apply(json!({"server": {"grpcPort": 9002}})).await.expect("taken");
    eventually("a new template", async || (template().await != before).then_some(())).await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn at_rest_nothing_is_written_even_by_a_new_operator() {
    let place = Place::new().await;
    let operator = place.operator();
    place
        .apply(json!({"replicas": 1, "autoscaling": {"mode": "Managed"}, "server": {"resources": {"requests": {"cpu": "50m"}}}}))
        .await
        .expect("taken");
    place.settled().await;
    // The cluster's own controllers have their say first: no pod will ever be available.
    eventually("a pod of each Deployment", async || {
        let all = place.children().await;
        let mut deployments = all.iter().filter(|(title, _)| title.starts_with("Deployment "));
        deployments.all(|(_, deployment)| deployment["status"]["unavailableReplicas"] == 1).then_some(())
    })
    .await;
    place.reason("Ready", "InstancesNotReady").await;
    let versions = async || -> BTreeMap<String, Value> {
        let mut all = place.children().await;
        // An autoscaler's status changes by itself.
        all.retain(|title, _| !title.starts_with("Horizontal"));
        let demo = place.resources().get("demo").await.expect("a resource");
        all.insert("demo".to_owned(), serde_json::to_value(demo).expect("JSON"));
        all.into_iter().map(|(title, object)| (title, object["metadata"]["resourceVersion"].clone())).collect()
    };
    let rest = eventually("rest", async || {
        let before = versions().await;
        tokio::time::sleep(Duration::from_secs(2)).await;
        (versions().await == before).then_some(before)
    })
    .await;
    stays(&rest, Duration::from_secs(8), versions).await;
    operator.stop().await;
    let operator = place.operator();
    stays(&rest, Duration::from_secs(8), versions).await;
    operator.stop().await;
}

/// What the operator cares for in each child: all but what the cluster adds.
pub(crate) async fn essence(place: &Place) -> BTreeMap<String, Value> {
    let mut all = place.children().await;
    for object in all.values_mut() {
        let metadata = &object["metadata"];
        let revision = "deployment.kubernetes.io/revision";
        let mut annotations = metadata["annotations"].clone();
        if let Some(annotations) = annotations.as_object_mut() {
            annotations.remove(revision);
            // The hash differs from one resource to the next.
            if let Some(hash) =
                annotations.get_mut("userinfo.bbs.dev/applied-hash").filter(|hash| hash.as_str().is_some_and(|hash| hash.len() == 16))
            {
                *hash = "a hash".into();
            }
        }
        let mut owners = metadata["ownerReferences"].clone();
        if let Some(owner) = owners.get_mut(0) {
            owner["uid"] = Value::Null;
        }
        let mut spec = object["spec"].clone();
        if let Some(fields) = spec.as_object_mut() {
            fields.remove("clusterIP");
            fields.remove("clusterIPs");
        }
        *object = json!({"labels": metadata["labels"], "annotations": annotations, "owners": owners, "spec": spec, "data": object["data"]});
    }
    all
}
