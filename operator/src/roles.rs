//! The roles that the operator binds in namespaces. It makes none: the operator's chart does.

use k8s_openapi::api::rbac::v1::RoleRef;

use crate::names::{CHARTS, PODS};

/// Where the roles are that the operator binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Roles {
    /// They are the `ClusterRole`s `NAME-charts` and `NAME-pods`; the operator makes the account of a namespace, and binds it.
    Cluster(String),
    /// Each namespace has Roles of its own, and the account as which Helm runs, with its binding.
    Namespace,
}

impl Roles {
    /// What Helm may do; none where binding it is not the operator's business.
    pub fn charts(&self) -> Option<RoleRef> {
        match self {
            Self::Cluster(name) => Some(role("ClusterRole", format!("{name}-charts"))),
            Self::Namespace => None,
        }
    }

    /// What a Prometheus may do that finds instances through Kubernetes.
    pub fn pods(&self) -> RoleRef {
        match self {
            Self::Cluster(name) => role("ClusterRole", format!("{name}-pods")),
            Self::Namespace => role("Role", PODS.to_owned()),
        }
    }

    /// Who has to make the account of a namespace, and how.
    pub fn remedy(&self, namespace: &str) -> String {
        match self {
            Self::Cluster(_) => {
                format!("let the operator make it, or see: kubectl get serviceaccount,rolebinding {CHARTS} --namespace={namespace}")
            }
            Self::Namespace => format!(
                "the operator's chart makes it, with role and binding, in the namespaces of its value watchNamespaces: add {namespace} there"
            ),
        }
    }
}

fn role(kind: &str, name: String) -> RoleRef {
    RoleRef { api_group: Some("rbac.authorization.k8s.io".to_owned()), kind: kind.to_owned(), name }
}
