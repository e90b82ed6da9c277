//! Volumes of addons. No scheduler runs here, so the tests say what one would.

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use user_info_operator::kind::Kind;
use user_info_testing::wait::within;

use crate::harness::Place;
use crate::releases::{INSTALLED, deployed, revisions};

async fn claims(place: &Place) -> Vec<String> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(place.client.clone(), &place.namespace);
    claims.list_metadata(&ListParams::default()).await.expect("a list").iter().map(ResourceExt::name_any).collect()
}

/// The claims that nobody has deleted: one that a pod uses stays for a while when it is.
pub(crate) async fn undeleted(place: &Place) -> Vec<String> {
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(place.client.clone(), &place.namespace);
    let all = claims.list_metadata(&ListParams::default()).await.expect("a list").items;
    all.iter().filter(|claim| claim.metadata.deletion_timestamp.is_none()).map(ResourceExt::name_any).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_volume_that_cannot_be_had_is_told_until_it_is_not_wanted() {
    let place = Place::new().await;
    let operator = place.operator();
    let redis = |persistence| json!({"data": {"redis": {"mode": "Managed", "persistence": persistence}}});
    place.apply(redis(json!({"storageClass": "none", "size": "2Gi"}))).await.expect("taken");
    deployed(&place, "demo-redis", 1).await;
    let pods: Api<Pod> = Api::namespaced(place.client.clone(), &place.namespace);
    within(INSTALLED, "a pod", async || pods.get_opt("demo-redis-0").await.expect("an answer")).await;
    let message = "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.";
    let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message});
    let status = Patch::Strategic(json!({"status": {"conditions": [condition]}}));
    pods.patch_status("demo-redis-0", &PatchParams::default(), &status).await.expect("patched");
    place.reason("Degraded", "VolumeUnbound").await;
    let (_, _, said) = place.condition("Degraded").await.expect("a condition");
    assert!(said.contains("PersistentVolumeClaim data-demo-redis-0 no volume of 2Gi in storage class none"), "{said}");
    // The chart cannot change a claim, so the release has to go first.
    place.apply(json!({})).await.expect("taken");
    place.reason("Degraded", "AsExpected").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn volumes_outlive_the_resource_only_if_they_are_to() {
    let place = Place::new().await;
    let operator = place.operator();
    let kept = json!({"mode": "Managed", "persistence": {}, "retainData": true});
    let lost = json!({"mode": "Managed", "persistence": {}});
    place.apply(json!({"data": {"mysql": kept, "redis": lost}})).await.expect("taken");
    within(INSTALLED, "both claims", async || (claims(&place).await == ["data-demo-mysql-0", "data-demo-redis-0"]).then_some(())).await;
    place.resources().delete("demo", &DeleteParams::default()).await.expect("deleted");
    within(INSTALLED, "the end", async || place.resources().get_opt("demo").await.expect("an answer").is_none().then_some(())).await;
    assert!(revisions(&place).await.is_empty());
    within(INSTALLED, "one claim", async || (claims(&place).await == ["data-demo-mysql-0"]).then_some(())).await;
    // Without its password the volume would be of no use.
    assert!(place.get(Kind::Secret, "demo-mysql").await.is_some() && place.get(Kind::Secret, "demo-redis").await.is_none());
    operator.stop().await;
}
