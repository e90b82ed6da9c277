//! The data of a managed store of the users.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use user_info_operator::kind::Kind;
use user_info_testing::wait::within;

use crate::harness::Place;
use crate::releases::{INSTALLED, up};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn the_users_are_migrated_once_for_each_set_of_data_and_before_any_pod_begins() {
    let place = Place::new().await;
    let operator = place.operator();
    place.apply(json!({"data": {"mysql": {"mode": "Managed"}}})).await.expect("taken");
    up(&place, "demo-mysql").await;
    let jobs = async || -> Vec<String> {
        place.children().await.into_keys().filter_map(|title| title.strip_prefix("Job ").map(str::to_owned)).collect()
    };
    let first = within(INSTALLED, "a job", async || jobs().await.pop()).await;
    assert!(place.get(Kind::Deployment, "demo-user-info").await.is_none(), "pods wait for it");
    let done = json!({"status": {"succeeded": 1}});
    place.api(Kind::Job).patch_status(&first, &PatchParams::default(), &Patch::Merge(&done)).await.expect("patched");
    within(INSTALLED, "the services", async || place.get(Kind::Deployment, "demo-user-info").await).await;
    let pods: Api<Pod> = Api::namespaced(place.client.clone(), &place.namespace);
    let before = pods.get("demo-mysql-0").await.expect("a pod").uid();
    pods.delete("demo-mysql-0", &DeleteParams::default().grace_period(0)).await.expect("deleted");
    within(INSTALLED, "another pod", async || pods.get_opt("demo-mysql-0").await.expect("an answer").filter(|pod| pod.uid() != before))
        .await;
    up(&place, "demo-mysql").await;
    within(INSTALLED, "another job for other data", async || jobs().await.into_iter().find(|job| *job != first)).await;
    operator.stop().await;
}
