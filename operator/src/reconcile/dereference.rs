//! Looks up what a resource refers to.

use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::api::rbac::v1::RoleRef;
use k8s_openapi::jiff::Timestamp;
use kube::{Api, Client};
use user_info_api::crd::{Faults, UserInfoDeployment};

use super::build::{migration, needed};
use super::faults;
use super::provision::Wanted;
use crate::addons::Managed;
use crate::config_file::ConfigVersion;
use crate::context::Context;
use crate::error::Error;
use crate::kind::Kind;
use crate::memory::Record;
use crate::names::{Component, Owner};
use crate::needed_secret::NeededSecret;

/// What was found.
#[derive(Debug)]
pub struct Found {
    /// The resource, by name.
    pub owner: Owner,
    /// Secrets that are needed but not there, or lack a key.
    pub missing: Vec<Error>,
    /// The config file that pods of `user_info` have now.
    pub server: Option<ConfigVersion>,
    /// The config file that pods of `user_client` have now.
    pub client: Option<ConfigVersion>,
    /// The clock of the faults.
    pub clock: Option<Faults>,
    /// Whether the cluster knows `ServiceMonitor`.
    pub service_monitors: bool,
    /// The role that lets a Prometheus look at pods; none where it is not known.
    pub pods_role: Option<RoleRef>,
    /// How what is installed is reached.
    pub managed: Managed,
    /// What tells the data of the managed store of the users from others; none if there are none, or they cannot be reached now.
    pub data: Option<String>,
    /// Now.
    pub now: Timestamp,
}

/// Looks up what `resource` refers to: Secrets, and what is there from before. What releases make is only looked up if they are `installed`.
pub async fn dereference(
    resource: &UserInfoDeployment,
    wanted: &Wanted,
    installed: bool,
    record: &mut Record,
    context: &Context,
) -> Result<Found, Error> {
    let owner = Owner::of(&resource.metadata);
    let now = Timestamp::now();
    let children = context.children.of(&owner);
    let config = |component| children.get(&(Kind::ConfigMap, owner.object(component))).and_then(|seen| seen.config.clone());
    let known = record.faults.as_ref().or_else(|| resource.status.as_ref().and_then(|status| status.faults.as_ref()));
    record.faults = faults::clock(resource.spec.fault_injection.as_ref(), known, now);
    let managed = if installed { wanted.managed.clone() } else { Managed::default() };
    Ok(Found {
        server: config(Component::Server),
        client: config(Component::Client),
        missing: missing(&context.client, &owner.namespace, resource, &managed).await?,
        managed: wanted.managed.clone(),
        data: if installed { migration::data(&context.client, &owner, resource, &wanted.managed).await? } else { None },
        clock: record.faults.clone(),
        service_monitors: context.service_monitors.known(),
        pods_role: Some(context.roles.pods()),
        now,
        owner,
    })
}

/// What is missing of the Secrets that `resource` names, or that its releases make.
pub async fn missing(client: &Client, namespace: &str, resource: &UserInfoDeployment, managed: &Managed) -> Result<Vec<Error>, Error> {
    let secrets: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let callers = resource.spec.client.enabled.then(|| needed(&resource.spec, Component::Client, managed));
    let mut all = needed(&resource.spec, Component::Server, managed);
    all.extend(callers.into_iter().flatten());
    all.sort();
    all.dedup();
    let mut missing = Vec::new();
    for need in all {
        missing.extend(lacks(&secrets, need).await?);
    }
    Ok(missing)
}

async fn lacks(secrets: &Api<Secret>, need: NeededSecret) -> Result<Option<Error>, Error> {
    let NeededSecret { name, key, field } = need;
    Ok(match secrets.get_opt(&name).await? {
        None => Some(Error::SecretMissing { name, field }),
        Some(secret) if secret.data.as_ref().is_none_or(|data| !data.contains_key(&key)) => {
            Some(Error::SecretKeyMissing { name, key, field })
        }
        Some(_) => None,
    })
}
