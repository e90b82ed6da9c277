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
use crate::workload::Workload;

/// How the pods of both components are; none where there is no Deployment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Services {
    /// Pods of `user_info`.
    pub server: Option<Observed>,
    /// Pods of `user_client`.
    pub client: Option<Observed>,
}

/// Looks at both components.
pub async fn services(owner: &Owner, context: &Context) -> Result<Services, Error> {
    Ok(Services { server: observe(owner, Component::Server, context).await?, client: observe(owner, Component::Client, context).await? })
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
async fn observe(owner: &Owner, component: Component, context: &Context) -> Result<Option<Observed>, Error> {
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

/// Whether the pod takes calls and is not about to stop.
pub fn ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}
