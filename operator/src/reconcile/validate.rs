//! Decides whether a resource can be carried out here, and how: what no schema can say.

use std::collections::BTreeMap;
use std::time::SystemTime;

use user_info_api::crd::{LoadError, ServiceMonitor, UserInfoDeployment};
use user_info_api::render::{self, ClientInstance, ServerInstance, Target};

use super::build::{ConfigFile, Plan};
use super::dereference::Found;
use super::faults;

use crate::addons::{Managed, values};
use crate::error::Error;

/// The plan for `resource`, or the first reason why there is none.
pub fn validate(resource: &UserInfoDeployment, found: Found) -> Result<Plan, Error> {
    let spec = &resource.spec;
    if spec.server.weights.iter().any(|weight| Some(weight) != spec.server.weights.first()) {
        return Err(Error::UnequalWeights);
    }
    if let Some(missing) = found.missing.into_iter().next() {
        return Err(missing);
    }
    let service_monitors = match spec.addons.prometheus.service_monitor {
        ServiceMonitor::Enabled if !found.service_monitors => return Err(Error::NoServiceMonitors),
        ServiceMonitor::Disabled => false,
        ServiceMonitor::Auto | ServiceMonitor::Enabled => found.service_monitors,
    };

    let mut resource = resource.clone();
    resource.status = None;
    if found.clock.as_ref().is_some_and(|clock| faults::expired(clock, found.now)) {
        resource.spec.fault_injection = None;
    }
    let since = found.clock.map_or(SystemTime::UNIX_EPOCH, |clock| clock.since.0.into());
    let target = found.managed.clone().into_target(Target::cluster(&resource, since));
    let server = render::user_info(&resource, &target, &ServerInstance::pod(&resource))?;
    let client = render::user_client(&resource, &target, &ClientInstance::pod(&resource))?;
    Ok(Plan {
        owner: found.owner,
        server: ConfigFile::new(server, found.server.as_ref()),
        client: ConfigFile::new(client, found.client.as_ref()),
        service_monitors,
        pods_role: found.pods_role.filter(|_| found.managed.watches_pods),
        managed: found.managed,
        data: found.data,
        resource,
    })
}

/// Whether the services take what `resource` comes to in a cluster, as far as that can be told without one.
///
/// # Errors
/// The fields from which values come that a service refuses.
pub fn offline(resource: &UserInfoDeployment) -> Result<(), LoadError> {
    let owner = resource.metadata.name.as_deref().unwrap_or_default();
    let managed = Managed::new(owner, &resource.spec, &values::all(resource, None, &BTreeMap::new()));
    render::check(resource, &managed.into_target(Target::cluster(resource, SystemTime::UNIX_EPOCH)))
}

#[cfg(test)]
pub(crate) mod tests;
