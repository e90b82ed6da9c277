//! What a Prometheus of the system may do.

use k8s_openapi::api::rbac::v1::{RoleBinding, Subject};
use user_info_api::render::config_hash;

use super::{Child, Plan};
use crate::addons::Addon;
use crate::kind::Kind;
use crate::names::{COMPONENT, Component};

/// Lets a Prometheus that finds instances through Kubernetes look at the pods of its namespace. The role is made by the operator's chart. What a
/// binding binds cannot be changed, so that another role is another binding.
pub(super) fn build(plan: &Plan) -> Option<Child> {
    let role = plan.pods_role.as_ref()?;
    let release = Addon::Prometheus.release(&plan.owner.name);
    let subject = Subject {
        kind: "ServiceAccount".to_owned(),
        name: release.clone(),
        namespace: Some(plan.owner.namespace.clone()),
        ..Subject::default()
    };
    let hash = config_hash(&(&role.kind, &role.name));
    let mut metadata = plan.owner.meta(format!("{release}-{}", &hash[..8.min(hash.len())]), Component::Server);
    let labels = metadata.labels.get_or_insert_default();
    for key in [COMPONENT, "app.kubernetes.io/name"] {
        labels.insert(key.to_owned(), Addon::Prometheus.name().to_owned());
    }
    Some(Child::new(Kind::RoleBinding, &RoleBinding { metadata, role_ref: role.clone(), subjects: Some(vec![subject]) }))
}
