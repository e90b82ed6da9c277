//! The kinds of objects that the operator makes, itself or through Helm.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta};
use kube::{Api, Client};

/// A kind of object that the operator makes, itself or through Helm, in the order in which they are applied: what others need first,
/// workloads last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Identity of pods.
    ServiceAccount,
    /// What an identity may do.
    Role,
    /// Who may do it.
    RoleBinding,
    /// Config files.
    ConfigMap,
    /// Passwords and keys.
    Secret,
    /// Names for pods.
    Service,
    /// Who reaches pods.
    NetworkPolicy,
    /// How many pods may be down.
    PodDisruptionBudget,
    /// What the Prometheus Operator scrapes; not every cluster has the kind.
    ServiceMonitor,
    /// What has to be done once.
    Job,
    /// Pods with names and volumes of their own.
    StatefulSet,
    /// Pods.
    Deployment,
    /// What scales the resource.
    HorizontalPodAutoscaler,
}

impl Kind {
    /// Those that the operator makes itself, in their order.
    pub const OWN: [Self; 10] = [
        Self::ServiceAccount,
        Self::RoleBinding,
        Self::ConfigMap,
        Self::Service,
        Self::NetworkPolicy,
        Self::PodDisruptionBudget,
        Self::ServiceMonitor,
        Self::Job,
        Self::Deployment,
        Self::HorizontalPodAutoscaler,
    ];

    /// Those that the charts which come with the operator make, in their order.
    pub const RELEASED: [Self; 6] =
        [Self::ServiceAccount, Self::ConfigMap, Self::Secret, Self::Service, Self::PodDisruptionBudget, Self::StatefulSet];

    /// Where the API server has it.
    pub fn resource(self) -> ApiResource {
        match self {
            Self::ServiceAccount => ApiResource::erase::<ServiceAccount>(&()),
            Self::Role => ApiResource::erase::<Role>(&()),
            Self::RoleBinding => ApiResource::erase::<RoleBinding>(&()),
            Self::ConfigMap => ApiResource::erase::<ConfigMap>(&()),
            Self::Secret => ApiResource::erase::<Secret>(&()),
            Self::Job => ApiResource::erase::<Job>(&()),
            Self::StatefulSet => ApiResource::erase::<StatefulSet>(&()),
            Self::Service => ApiResource::erase::<Service>(&()),
            Self::NetworkPolicy => ApiResource::erase::<NetworkPolicy>(&()),
            Self::PodDisruptionBudget => ApiResource::erase::<PodDisruptionBudget>(&()),
            Self::ServiceMonitor => ApiResource::from_gvk(&GroupVersionKind::gvk("monitoring.coreos.com", "v1", "ServiceMonitor")),
            Self::Deployment => ApiResource::erase::<Deployment>(&()),
            Self::HorizontalPodAutoscaler => ApiResource::erase::<HorizontalPodAutoscaler>(&()),
        }
    }

    /// Its objects in `namespace`.
    pub fn api(self, client: &Client, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(client.clone(), namespace, &self.resource())
    }

    /// The metadata of its objects in `namespace`, in all namespaces if none is given.
    pub fn metadata(self, client: &Client, namespace: Option<&str>) -> Api<PartialObjectMeta<DynamicObject>> {
        match namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &self.resource()),
            None => Api::all_with(client.clone(), &self.resource()),
        }
    }

    /// Its name, as in manifests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ServiceAccount => "ServiceAccount",
            Self::Role => "Role",
            Self::RoleBinding => "RoleBinding",
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
            Self::Job => "Job",
            Self::StatefulSet => "StatefulSet",
            Self::Service => "Service",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::ServiceMonitor => "ServiceMonitor",
            Self::Deployment => "Deployment",
            Self::HorizontalPodAutoscaler => "HorizontalPodAutoscaler",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_api() {
        for kind in Kind::OWN.into_iter().chain(Kind::RELEASED) {
            assert_eq!(kind.name(), kind.resource().kind);
        }
        assert!(Kind::OWN.is_sorted() && Kind::RELEASED.is_sorted());
    }
}
