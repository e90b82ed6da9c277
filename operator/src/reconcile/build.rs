//! From a validated plan to the objects it takes: pure functions, one file a kind. All that concerns the migration is in its file, also what is
//! asked of the API server for it.

mod child;
mod config_map;
mod deployment;
mod disruption_budget;
mod horizontal_autoscaler;
pub mod migration;
mod network_policy;
pub(super) mod pod;
mod role_binding;
mod secrets;
mod service;
mod service_account;
mod service_monitor;
mod volumes;

pub use child::Child;
pub use secrets::needed;

use k8s_openapi::api::rbac::v1::RoleRef;
use user_info_api::crd::UserInfoDeployment;

use crate::addons::Managed;
pub use crate::config_file::ConfigFile;
use crate::names::{Component, Owner};

/// All that objects are made from.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Whose objects they are.
    pub owner: Owner,
    /// The resource, without faults that have expired.
    pub resource: UserInfoDeployment,
    /// Config file of `user_info`.
    pub server: ConfigFile,
    /// Config file of `user_client`.
    pub client: ConfigFile,
    /// Whether the Prometheus Operator is told of the pods.
    pub service_monitors: bool,
    /// The role that lets the Prometheus that is installed look at pods, if it needs one.
    pub pods_role: Option<RoleRef>,
    /// How what is installed is reached.
    pub managed: Managed,
    /// What tells the data of the managed store of the users from others; none if there are none, or they cannot be reached now.
    pub data: Option<String>,
}

impl Plan {
    /// The config file of a component.
    pub fn config(&self, component: Component) -> &ConfigFile {
        match component {
            Component::Server => &self.server,
            Component::Client => &self.client,
        }
    }

    /// The components that run.
    pub fn components(&self) -> impl Iterator<Item = Component> + use<> {
        let client = self.resource.spec.client.enabled.then_some(Component::Client);
        [Component::Server].into_iter().chain(client)
    }

    /// Port of /metrics, /readyz and /config of a component's pods.
    pub fn admin_port(&self, component: Component) -> u16 {
        admin_port(&self.resource, component)
    }
}

/// Port of /metrics, /readyz and /config of a component's pods.
pub fn admin_port(resource: &UserInfoDeployment, component: Component) -> u16 {
    match component {
        Component::Server => resource.spec.server.metrics_port.unwrap_or(resource.spec.server.http_port),
        Component::Client => resource.spec.client.metrics_port,
    }
}

/// Every object that `plan` takes, in the order in which they are applied.
pub fn build(plan: &Plan) -> Vec<Child> {
    let mut children = Vec::with_capacity(12);
    for component in plan.components() {
        children.push(service_account::build(plan, component));
        children.push(config_map::build(plan, component));
        children.push(service::build(plan, component));
        children.extend(network_policy::build(plan, component));
        children.extend(service_monitor::build(plan, component));
        children.push(deployment::build(plan, component));
    }
    children.push(service::peers(plan));
    children.extend(role_binding::build(plan));
    children.extend(migration::build(plan));
    children.extend(disruption_budget::build(plan));
    children.extend(horizontal_autoscaler::build(plan));
    children.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    children
}

#[cfg(test)]
mod tests;
