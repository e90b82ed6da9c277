//! What a resource would change in a cluster, by server-side dry run.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use kube::api::{DynamicObject, ListParams, Patch};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;
use user_info_api::crd::UserInfoDeployment;

use super::difference::differences;
use super::releases;
use crate::addons::Managed;
use crate::children::Seen;
use crate::cluster::{Cluster, ClusterError};
use crate::config_file::ConfigVersion;
use crate::discovery;
use crate::error::{ApiError, Error};
use crate::helm::chart::Embedded;
use crate::kind::Kind;
use crate::names::{Component, INSTANCE, MANAGED_BY, OPERATOR, Owner};
use crate::ownership::{self, Ownership, ownership};
use crate::reconcile::build::migration::data;
use crate::reconcile::build::{Child, build};
use crate::reconcile::dereference::{Found, missing};
use crate::reconcile::faults;
use crate::reconcile::provision::{Wanted, wanted};
use crate::reconcile::validate::validate;
use crate::writes;

/// Why a cluster cannot say what would change.
#[derive(Debug, thiserror::Error)]
pub(super) enum DiffError {
    /// There is no way to it.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// It refuses, or does not answer.
    #[error("{0}")]
    Api(#[from] ApiError),
    /// What the operator would run into.
    #[error(transparent)]
    Operator(#[from] Error),
    /// This process cannot speak to anyone.
    #[error("{0}")]
    Runtime(#[from] std::io::Error),
    /// It concerns one file.
    #[error("{0}: {1}")]
    In(String, Box<Self>),
}

impl From<kube::Error> for DiffError {
    fn from(error: kube::Error) -> Self {
        Self::Api(error.into())
    }
}

/// A line for each thing that would change.
pub(super) async fn changes(
    cluster: &Cluster,
    mut resource: UserInfoDeployment,
    namespace: Option<&str>,
) -> Result<Vec<String>, DiffError> {
    let client = cluster.client()?;
    let namespace = resource.namespace().or_else(|| namespace.map(str::to_owned)).unwrap_or_else(|| cluster.namespace().to_owned());
    let api: Api<UserInfoDeployment> = Api::namespaced(client.clone(), &namespace);
    let live = api.get_opt(&resource.name_any()).await?;
    let mut lines = Vec::new();
    let title = format!("UserInfoDeployment {}", resource.name_any());
    resource.metadata.namespace = Some(namespace.clone());
    match &live {
        None => lines.push(format!("would create {title}")),
        Some(live) => {
            let fields = differences(&spec(live), &spec(&resource));
            resource.metadata.generation = live.metadata.generation.map(|generation| generation + i64::from(!fields.is_empty()));
            resource.metadata.uid.clone_from(&live.metadata.uid);
            lines.extend(fields.into_iter().map(|field| format!("would change {title}: {field}")));
        }
    }
    let known = live.as_ref().and_then(|live| live.status.as_ref()).and_then(|status| status.faults.clone());
    let standing = releases::standing(&client, &Owner::of(&resource.metadata)).await?;
    let wanted = wanted(&client, &resource, &Embedded::default(), true, releases::operator(&standing)).await?;
    lines.extend(releases::changes(live.as_ref(), &resource, &standing, &wanted));
    let found = find(&client, &resource, wanted, known.as_ref()).await?;
    let plan = match validate(&resource, found) {
        Ok(plan) => plan,
        Err(error) => {
            lines.push(format!("would not be carried out: {error}"));
            return Ok(lines);
        }
    };
    let children = build(&plan);
    for child in &children {
        lines.extend(change(&client, &plan.owner, child).await?);
    }
    lines.extend(orphans(&client, &plan.owner, &children).await?);
    if lines.is_empty() {
        lines.push("nothing would change".to_owned());
    }
    Ok(lines)
}

fn spec(resource: &UserInfoDeployment) -> Value {
    serde_json::json!({"spec": resource.spec})
}

async fn find(
    client: &Client,
    resource: &UserInfoDeployment,
    wanted: Wanted,
    known: Option<&user_info_api::crd::Faults>,
) -> Result<Found, DiffError> {
    let owner = Owner::of(&resource.metadata);
    let now = Timestamp::now();
    // What releases make is not there before they are.
    let missing = missing(client, &owner.namespace, resource, &Managed::default()).await?;
    Ok(Found {
        missing,
        data: data(client, &owner, resource, &wanted.managed).await?,
        managed: wanted.managed,
        server: config(client, &owner, Component::Server).await?,
        client: config(client, &owner, Component::Client).await?,
        clock: faults::clock(resource.spec.fault_injection.as_ref(), known, now),
        service_monitors: discovery::knows(client, "monitoring.coreos.com/v1", "ServiceMonitor").await?,
        pods_role: None,
        now,
        owner,
    })
}

async fn config(client: &Client, owner: &Owner, component: Component) -> Result<Option<ConfigVersion>, DiffError> {
    let live = Kind::ConfigMap.api(client, &owner.namespace).get_opt(&owner.object(component)).await?;
    let seen = live.and_then(|live| Seen::of(&live.metadata, OPERATOR)).filter(|seen| seen.belongs_to(owner));
    Ok(seen.and_then(|seen| seen.config))
}

async fn change(client: &Client, owner: &Owner, child: &Child) -> Result<Vec<String>, DiffError> {
    let api = child.kind.api(client, &owner.namespace);
    let title = format!("{} {}", child.kind.name(), child.name);
    let before = api.get_opt(&child.name).await?;
    if let Some(Ownership::Foreign(controller)) = before.as_ref().map(|before| ownership(&before.metadata, owner)) {
        let objects = vec![ownership::title(child.kind.name(), &child.name, controller.as_deref())];
        return Ok(vec![format!("would not be carried out: {}", Error::Foreign { owner: owner.name.clone(), objects })]);
    }
    let parameters = writes::apply().dry_run();
    let after = api.patch(&child.name, &parameters, &Patch::Apply(&child.manifest)).await?;
    Ok(match before {
        None => vec![format!("would create {title}")],
        Some(before) => {
            differences(&json(&before), &json(&after)).into_iter().map(|field| format!("would change {title}: {field}")).collect()
        }
    })
}

fn json(object: &DynamicObject) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

async fn orphans(client: &Client, owner: &Owner, children: &[Child]) -> Result<Vec<String>, DiffError> {
    let wanted: BTreeSet<_> = children.iter().map(|child| (child.kind, child.name.as_str())).collect();
    let labels = BTreeMap::from([(MANAGED_BY, OPERATOR), (INSTANCE, &owner.name)]);
    let selector = labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",");
    let mut lines = Vec::new();
    // Which role a binding binds is known to the operator in the cluster alone, and who may edit a namespace may not look at bindings.
    for kind in Kind::OWN.into_iter().filter(|kind| *kind != Kind::RoleBinding) {
        match kind.api(client, &owner.namespace).list_metadata(&ListParams::default().labels(&selector)).await {
            Ok(list) => {
                let own = list.items.iter().filter(|object| ownership(&object.metadata, owner) == Ownership::Own);
                let names: Vec<_> = own.map(ResourceExt::name_any).collect();
                let gone = names.iter().filter(|name| !wanted.contains(&(kind, name.as_str())));
                lines.extend(gone.map(|name| format!("would remove {} {name}", kind.name())));
            }
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(lines)
}
