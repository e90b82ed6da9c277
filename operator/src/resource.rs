//! The resources, as they are watched.

use std::fmt::Display;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::core::{DeserializeGuard, error_boundary::InvalidObject};
use user_info_api::crd::UserInfoDeployment;

/// A resource that may not be readable: one that is not must not stop the watch of the others.
pub type Watched = DeserializeGuard<UserInfoDeployment>;

/// Drops what nobody reads from a resource, for memory's sake: what each manager owns, and the copy that `kubectl apply` leaves.
pub fn prune(meta: &mut ObjectMeta) {
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
    }
}

/// Why a resource cannot be read, in one sentence.
pub fn unreadable(object: &InvalidObject) -> impl Display {
    let text = object.error.lines().next().unwrap_or_default();
    format!("the resource cannot be read: {text}; the definition in the cluster may be another version's, see `user-info-operator crd`")
}
