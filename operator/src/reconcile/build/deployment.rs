//! What keeps a component's pods running.

use k8s_openapi::api::apps::v1::{Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use user_info_api::crd::{AutoscalingMode, UserInfoDeploymentSpec};

use super::{Child, Plan, pod};
use crate::kind::Kind;
use crate::names::{Component, RESTART_HASH};

/// The pods of a component, replaced one by one: a new one is ready before an old one stops.
pub(super) fn build(plan: &Plan, component: Component) -> Child {
    let template = &plan.resource.spec.pod_template;
    let mut labels = template.labels.clone();
    labels.extend(plan.owner.labels(component));
    let mut annotations = template.annotations.clone();
    annotations.insert(RESTART_HASH.to_owned(), plan.config(component).restart_hash.clone());
    let deployment = Deployment {
        metadata: plan.owner.meta(plan.owner.object(component), component),
        spec: Some(DeploymentSpec {
            replicas: replicas(&plan.resource.spec, component),
            selector: LabelSelector { match_labels: Some(plan.owner.selector(component)), ..LabelSelector::default() },
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_unavailable: Some(IntOrString::Int(0)),
                    max_surge: Some(IntOrString::Int(1)),
                }),
            }),
            revision_history_limit: Some(3),
            progress_deadline_seconds: Some(120),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta { labels: Some(labels), annotations: Some(annotations), ..ObjectMeta::default() }),
                spec: Some(pod::spec(plan, component)),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    };
    Child::new(Kind::Deployment, &deployment)
}

/// How many pods there are to be; none if someone else says so.
fn replicas(spec: &UserInfoDeploymentSpec, component: Component) -> Option<i32> {
    let count = match component {
        _ if spec.operation.stopped => Some(0),
        Component::Client => Some(spec.client.replicas),
        Component::Server if spec.autoscaling.mode == AutoscalingMode::External => None,
        Component::Server => Some(spec.replicas),
    };
    count.map(|count| i32::try_from(count).unwrap_or(i32::MAX))
}
