//! The namespaces that resources are in.

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};

/// Whether a namespace is being deleted. Whoever may not look at it is told that it is not, as before this was asked.
///
/// # Errors
/// If the API server does not answer.
pub async fn terminating(client: &Client, name: &str) -> Result<bool, kube::Error> {
    match Api::<Namespace>::all(client.clone()).get_metadata_opt(name).await {
        Ok(found) => Ok(found.is_none_or(|namespace| namespace.metadata.deletion_timestamp.is_some())),
        Err(kube::Error::Api(status)) if status.is_forbidden() => {
            tracing::warn!(namespace = name, "the right to get the namespace is missing: whether it is being deleted is not known");
            Ok(false)
        }
        Err(error) => Err(error),
    }
}
