//! The end of a resource.

use kube::api::DeleteParams;
use serde_json::json;
use user_info_operator::kind::Kind;

use crate::harness::{Place, eventually};

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
