//! How many instances may be down when nodes are drained.

use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::{Child, Plan};
use crate::kind::Kind;
use crate::names::Component;

/// A budget, if the resource sets one.
pub(super) fn build(plan: &Plan) -> Option<Child> {
    let disruption = &plan.resource.spec.disruption;
    if disruption.max_unavailable.is_none() && disruption.min_available.is_none() {
        return None;
    }
    let component = Component::Server;
    let budget = PodDisruptionBudget {
        metadata: plan.owner.meta(plan.owner.object(component), component),
        spec: Some(PodDisruptionBudgetSpec {
            selector: Some(LabelSelector { match_labels: Some(plan.owner.selector(component)), ..LabelSelector::default() }),
            max_unavailable: disruption.max_unavailable.clone(),
            min_available: disruption.min_available.clone(),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    };
    Some(Child::new(Kind::PodDisruptionBudget, &budget))
}
