//! Whether the services would take what a resource comes to.

use super::{ClientInstance, ServerInstance, Target, user_client, user_info};
use crate::crd::{LoadError, Problem, UserInfoDeployment};

/// Judges the config files that `resource` comes to on `target`, as the services will when they read them.
///
/// # Errors
/// The fields of the resource from which values come that a service refuses.
pub fn check(resource: &UserInfoDeployment, target: &Target) -> Result<(), LoadError> {
    let client = &resource.spec.client;
    let server = user_info(resource, target, &ServerInstance::pod(resource)).err();
    let client = (client.enabled && client.replicas > 0).then(|| user_client(resource, target, &ClientInstance::pod(resource)).err());
    let mut problems: Vec<Problem> = Vec::new();
    for problem in [server, client.flatten()].iter().flatten().flat_map(LoadError::problems) {
        // Both files have the registry and the tracing.
        if !problems.contains(problem) {
            problems.push(problem.clone());
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.into()) }
}
