//! What scales the resource by CPU use.

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec, MetricSpec, MetricTarget, ResourceMetricSource,
};
use kube::Resource;
use user_info_api::crd::{AutoscalingMode, UserInfoDeployment};

use super::{Child, Plan};
use crate::kind::Kind;
use crate::names::Component;

/// An autoscaler, if the resource wants one and is not stopped. It writes the resource's `spec.replicas` through the scale subresource, and
/// the operator copies that to the Deployment: two writers never meet on one field.
pub(super) fn build(plan: &Plan) -> Option<Child> {
    let spec = &plan.resource.spec;
    if spec.autoscaling.mode != AutoscalingMode::Managed || spec.operation.stopped {
        return None;
    }
    let component = Component::Server;
    let autoscaler = HorizontalPodAutoscaler {
        metadata: plan.owner.meta(plan.owner.object(component), component),
        spec: HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some(UserInfoDeployment::api_version(&()).into_owned()),
                kind: UserInfoDeployment::kind(&()).into_owned(),
                name: plan.owner.name.clone(),
            },
            min_replicas: Some(count(spec.autoscaling.min_replicas)),
            max_replicas: count(spec.autoscaling.max_replicas),
            metrics: Some(vec![MetricSpec {
                type_: "Resource".to_owned(),
                resource: Some(ResourceMetricSource {
                    name: "cpu".to_owned(),
                    target: MetricTarget {
                        type_: "Utilization".to_owned(),
                        average_utilization: Some(count(spec.autoscaling.target_cpu_utilization)),
                        ..MetricTarget::default()
                    },
                }),
                ..MetricSpec::default()
            }]),
            behavior: spec.autoscaling.behavior.clone(),
        },
        ..HorizontalPodAutoscaler::default()
    };
    Some(Child::new(Kind::HorizontalPodAutoscaler, &autoscaler))
}

/// As Kubernetes counts. The schema bounds all of these far below.
fn count(n: u32) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}
