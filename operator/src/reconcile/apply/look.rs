//! What is known of an object before it is written to.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{DynamicObject, ListParams};

/// The metadata of an object; none if it is not there. By a list, which every kind is watched by already.
pub(in crate::reconcile) async fn look(api: &Api<DynamicObject>, name: &str) -> Result<Option<ObjectMeta>, kube::Error> {
    let list = api.list_metadata(&ListParams::default().fields(&format!("metadata.name={name}"))).await?;
    Ok(list.items.into_iter().next().map(|object| object.metadata))
}
