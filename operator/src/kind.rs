//! The kinds of objects that the operator makes.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{ConfigMap, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, PartialObjectMeta};
use kube::{Api, Client};

/// A kind of object that the operator makes, in the order in which they are applied: what others need first, workloads last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Identity of pods.
    ServiceAccount,
    /// Config files.
    ConfigMap,
    /// Names for pods.
    Service,
    /// Who reaches pods.
    NetworkPolicy,
    /// How many pods may be down.
    PodDisruptionBudget,
    /// What the Prometheus Operator scrapes; not every cluster has the kind.
    ServiceMonitor,
    /// Pods.
    Deployment,
    /// What scales the resource.
    HorizontalPodAutoscaler,
}

impl Kind {
    /// All of them, in their order.
    pub const ALL: [Self; 8] = [
        Self::ServiceAccount,
        Self::ConfigMap,
        Self::Service,
        Self::NetworkPolicy,
        Self::PodDisruptionBudget,
        Self::ServiceMonitor,
        Self::Deployment,
        Self::HorizontalPodAutoscaler,
    ];

    /// Where the API server has it.
    pub fn resource(self) -> ApiResource {
        match self {
            Self::ServiceAccount => ApiResource::erase::<ServiceAccount>(&()),
            Self::ConfigMap => ApiResource::erase::<ConfigMap>(&()),
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
            Self::ConfigMap => "ConfigMap",
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
        for kind in Kind::ALL {
            assert_eq!(kind.name(), kind.resource().kind);
        }
        assert!(Kind::ALL.is_sorted());
    }
}
