//! From what was found and done to the status: a pure function.

mod conditions;

use k8s_openapi::jiff::Timestamp;
use user_info_api::crd::{AddonMode, AddonPhase, Applied, Endpoints, Faults, UserInfoDeployment, UserInfoDeploymentStatus};

use super::build::{Plan, pod};
use super::observe::Observed;
use super::provision::{AddonProgress, Provision};
use crate::addons::Addon;
use crate::error::Error;
use crate::memory::Confirmation;
use crate::names::{Component, Owner};

pub(super) use self::conditions::condition;

/// What a status is made from.
#[derive(Debug)]
pub struct View<'a> {
    /// The resource with the status it has.
    pub resource: &'a UserInfoDeployment,
    /// How it was to be carried out; none if it could not be, or is paused.
    pub plan: Option<&'a Plan>,
    /// Why it could not be carried out.
    pub failure: Option<&'a Error>,
    /// What someone else has changed and was left so.
    pub drifted: &'a [String],
    /// How far releases are; none if that is not known.
    pub provision: Option<&'a Provision>,
    /// Why the services are left as they are for now.
    pub held: Option<&'a str>,
    /// Pods of `user_info`, if there is a Deployment.
    pub server: Option<Observed>,
    /// Pods of `user_client`, if there is a Deployment.
    pub client: Option<Observed>,
    /// Which pods of `user_info` confirmed their config file.
    pub server_confirmed: Confirmation,
    /// Which pods of `user_client` confirmed their config file.
    pub client_confirmed: Confirmation,
    /// The clock of the faults.
    pub clock: Option<Faults>,
    /// Now.
    pub now: Timestamp,
}

impl View<'_> {
    /// Whether nothing is left to wait for.
    pub fn settled(&self) -> bool {
        let waits = |one: &AddonProgress| matches!(one.status.phase, AddonPhase::Pending | AddonPhase::Progressing | AddonPhase::Removing);
        let addons = self.provision.is_some_and(|provision| !provision.addons.iter().any(waits));
        addons && self.held.is_none() && self.services_settled()
    }

    /// Whether all pods of the services run what they are to run, and have confirmed it.
    pub fn services_settled(&self) -> bool {
        let components = [(&self.server, &self.server_confirmed), (&self.client, &self.client_confirmed)];
        components
            .iter()
            .all(|(observed, confirmed)| observed.as_ref().is_none_or(|observed| observed.workload.settled()) && confirmed.complete())
    }
}

/// The status that `view` calls for. Times in it only change with what they belong to.
pub fn status(view: &View<'_>) -> UserInfoDeploymentStatus {
    let before = view.resource.status.clone().unwrap_or_default();
    let workload = view.server.as_ref().map(|observed| observed.workload.clone()).unwrap_or_default();
    let owner = Owner::of(&view.resource.metadata);
    let conditions = conditions::conditions(view, &before);
    UserInfoDeploymentStatus {
        observed_generation: view.resource.metadata.generation.unwrap_or_default(),
        replicas: workload.replicas,
        ready_replicas: workload.ready,
        updated_replicas: workload.updated,
        available_replicas: workload.available,
        selector: owner.selector_text(Component::Server),
        conditions,
        addons: view.provision.map_or(before.addons, |provision| provision.addons.iter().map(|one| one.status.clone()).collect()),
        applied: applied(view, before.applied),
        faults: view.clock.clone(),
        endpoints: view.plan.map(|plan| endpoints(plan, &owner, view.provision)).or(before.endpoints),
    }
}

/// The newest settings as soon as one instance has them in force, with the number of those that have.
fn applied(view: &View<'_>, before: Option<Applied>) -> Option<Applied> {
    let confirmed = &view.server_confirmed;
    let (Some(plan), true) = (view.plan, confirmed.confirmed > 0) else {
        let running = view.server.as_ref().is_some_and(|observed| observed.workload.ready > 0);
        return before.map(|before| if running { before } else { Applied { instances: 0, ..before } });
    };
    let spec = &plan.resource.spec;
    let live = |field: &str| Some(plan.server.live[field].clone()).filter(|value| !value.is_null());
    Some(Applied {
        config_hash: plan.server.version.hash.clone(),
        generation: plan.server.version.generation,
        instances: i32::try_from(confirmed.confirmed).unwrap_or(i32::MAX),
        image: pod::image(&plan.resource, Component::Server).reference(spec.image_registry.as_deref()),
        rate_limiter: spec.rate_limiter.clone(),
        fault_injection: live("faultInjection").and_then(|faults| serde_json::from_value(faults).ok()),
    })
}

fn endpoints(plan: &Plan, owner: &Owner, provision: Option<&Provision>) -> Endpoints {
    let server = &plan.resource.spec.server;
    let host = format!("{}.{}.svc", owner.object(Component::Server), owner.namespace);
    let of = |addon: Addon| {
        let status = &provision?.addons.iter().find(|one| one.addon == addon)?.status;
        status.endpoint.clone().filter(|_| status.mode != AddonMode::Disabled)
    };
    let with_scheme = |address: String| if address.contains("://") { address } else { format!("http://{address}") };
    Endpoints {
        grpc: Some(format!("{host}:{}", server.grpc_port)),
        http: Some(format!("http://{host}:{}", server.http_port)),
        prometheus: of(Addon::Prometheus),
        grafana: of(Addon::Grafana),
        consul: of(Addon::Consul).map(with_scheme),
    }
}

#[cfg(test)]
mod tests;
