//! Who sets the number of instances.

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscalerBehavior;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::rules;

/// Who sets the number of instances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(extend("x-kubernetes-validations" = rules::all(&[
    ("self.maxReplicas >= self.minReplicas", "maxReplicas must not be less than minReplicas"),
])))]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Autoscaling {
    /// `Disabled`: `spec.replicas`. `Managed`: an autoscaler made by the operator, which writes `spec.replicas`. `External`: whoever
    /// scales the Deployment; the operator never writes its replicas.
    pub mode: AutoscalingMode,
    /// Fewest instances, 1 to 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub min_replicas: u32,
    /// Most instances, 1 to 1000.
    #[schemars(range(min = 1, max = 1000))]
    pub max_replicas: u32,
    /// CPU use aimed at, in percent of the request, 1 to 1000.
    #[serde(rename = "targetCPUUtilization")]
    #[schemars(range(min = 1, max = 1000))]
    pub target_cpu_utilization: u32,
    /// How fast the autoscaler goes up and down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behavior: Option<HorizontalPodAutoscalerBehavior>,
}

impl Default for Autoscaling {
    fn default() -> Self {
        Self { mode: AutoscalingMode::Disabled, min_replicas: 1, max_replicas: 10, target_cpu_utilization: 80, behavior: None }
    }
}

/// Who sets the number of instances.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AutoscalingMode {
    /// The spec.
    #[default]
    Disabled,
    /// A `HorizontalPodAutoscaler` that the operator makes.
    Managed,
    /// Someone else.
    External,
}
