//! The identity of pods.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::{Child, Plan};
use crate::kind::Kind;
use crate::names::Component;

/// An identity without rights: pods never speak to the API server.
pub(super) fn build(plan: &Plan, component: Component) -> Child {
    let account = ServiceAccount {
        metadata: plan.owner.meta(plan.owner.object(component), component),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    };
    Child::new(Kind::ServiceAccount, &account)
}
