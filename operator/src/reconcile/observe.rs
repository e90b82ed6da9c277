//! How the components' pods are.

mod trouble;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;

pub use self::trouble::Trouble;
use crate::context::Context;
use crate::error::Error;
use crate::names::{Component, Owner};

/// The numbers of a Deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Workload {
    /// Whether the numbers are those of the newest template.
    pub current: bool,
    /// Pods there are to be.
    pub desired: i32,
    /// Pods there are.
    pub replicas: i32,
    /// Pods that are ready.
    pub ready: i32,
    /// Pods made from the newest template.
    pub updated: i32,
    /// Pods that have been ready for a while.
    pub available: i32,
}

impl Workload {
    /// The numbers of a Deployment.
    pub fn of(deployment: &Deployment) -> Self {
        let status = deployment.status.clone().unwrap_or_default();
        Self {
            current: status.observed_generation >= deployment.metadata.generation,
            desired: deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1),
            replicas: status.replicas.unwrap_or_default(),
            ready: status.ready_replicas.unwrap_or_default(),
            updated: status.updated_replicas.unwrap_or_default(),
            available: status.available_replicas.unwrap_or_default(),
        }
    }

    /// Whether all pods there are to be are ready, from the newest template, and alone.
    pub fn settled(&self) -> bool {
        self.current && [self.replicas, self.ready, self.updated, self.available].iter().all(|count| *count == self.desired)
    }

    /// Whether as many pods are ready as there are to be.
    pub fn up(&self) -> bool {
        self.ready >= self.desired
    }
}

/// How one component's pods are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// The numbers.
    pub workload: Workload,
    /// Why pods are missing.
    pub trouble: Option<Trouble>,
}

/// Looks at a component; none if it has no Deployment. Pods are looked at only while some are missing.
pub async fn observe(owner: &Owner, component: Component, context: &Context) -> Result<Option<Observed>, Error> {
    let deployments: Api<Deployment> = Api::namespaced(context.client.clone(), &owner.namespace);
    let Some(deployment) = deployments.get_opt(&owner.object(component)).await? else { return Ok(None) };
    let workload = Workload::of(&deployment);
    if workload.settled() {
        return Ok(Some(Observed { workload, trouble: None }));
    }
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), &owner.namespace);
    let pods = pods.list(&ListParams::default().labels(&owner.selector_text(component))).await?.items;
    Ok(Some(Observed { trouble: Trouble::of_pods(&pods).or_else(|| Trouble::of_deployment(&deployment)), workload }))
}
