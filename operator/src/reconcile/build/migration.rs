//! The migration: what is done once for the data of a managed store of the users, before pods of a version begin. What tells the data from
//! others, the Job, and how far that is.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{Container, PersistentVolumeClaim, Pod, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::ListParams;
use kube::{Api, Client};
use user_info_api::crd::{ChartSource, StoreMode, UserInfoDeployment};
use user_info_api::render::config_hash;

use super::{Child, Plan, pod};
use crate::addons::{Addon, Managed};
use crate::context::Context;
use crate::error::Error;
use crate::kind::Kind;
use crate::names::{COMPONENT, Component, Owner};
use crate::reconcile::observe::{Trouble, ready};

/// Tries before it counts as failed; between them passes up to five minutes.
const TRIES: i32 = 20;
/// Value of the label of the part of the system.
const NAME: &str = "migration";

/// What tells the data of the managed store of the users from others: the volume's identity, or that of the pod whose they are; none while the
/// store is not ready, when they cannot be reached.
pub async fn data(client: &Client, owner: &Owner, resource: &UserInfoDeployment, managed: &Managed) -> Result<Option<String>, Error> {
    if !Addon::MySql.managed(&resource.spec) {
        return Ok(None);
    }
    let settings = Addon::MySql.settings(&resource.spec);
    if settings.chart.source != ChartSource::Embedded {
        return Ok(Some(String::new()));
    }
    let pod = format!("{}-0", Addon::MySql.release(&owner.name));
    let pods: Api<Pod> = Api::namespaced(client.clone(), &owner.namespace);
    let Some(found) = pods.get_opt(&pod).await?.filter(ready) else { return Ok(None) };
    if managed.persistent_users {
        let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), &owner.namespace);
        return Ok(claims.get_metadata_opt(&format!("data-{pod}")).await?.and_then(|claim| claim.metadata.uid));
    }
    Ok(found.metadata.uid)
}

/// Whether it cannot be told which Job is the right one: the store of the users is away.
pub(in crate::reconcile) fn undecided(plan: &Plan) -> bool {
    plan.data.is_none() && plan.managed.mysql.is_some()
}

/// A job that migrates the data, if there are any: one for each version of the image and each set of data, since what is lost with a
/// pod's volume has to be made again.
pub(super) fn build(plan: &Plan) -> Option<Child> {
    let data = plan.data.as_ref()?;
    let mut labels = plan.owner.labels(Component::Server);
    labels.insert(COMPONENT.to_owned(), NAME.to_owned());
    labels.insert("app.kubernetes.io/name".to_owned(), NAME.to_owned());
    let mut spec = pod_spec(plan);
    // Settings that change live are in the same file, and do not matter here.
    let subject = config_hash(&(data, &spec, &plan.server.restart_hash));
    spec.service_account_name = Some(plan.owner.object(Component::Server));
    let name = format!("{}-migrate-{}", plan.owner.object(Component::Server), &subject[..8.min(subject.len())]);
    let mut metadata = plan.owner.meta(name, Component::Server);
    metadata.labels = Some(labels.clone());
    let job = Job {
        metadata,
        spec: Some(JobSpec {
            backoff_limit: Some(TRIES),
            template: PodTemplateSpec { metadata: Some(ObjectMeta { labels: Some(labels), ..ObjectMeta::default() }), spec: Some(spec) },
            ..JobSpec::default()
        }),
        ..Job::default()
    };
    Some(Child::new(Kind::Job, &job))
}

/// A pod that brings the managed store of the users to the schema of this version, and puts the sample users there. It has the volumes of a
/// pod of `user_info`, and is none of those that calls are led to.
fn pod_spec(plan: &Plan) -> PodSpec {
    let step = |name: &str| Container { resources: Some(pod::modest()), ..pod::program(plan, Component::Server, name, &[name]) };
    // Page views of someone else are never changed unasked.
    let seeds = plan.resource.spec.data.redis.mode != StoreMode::External;
    let (first, then) = if seeds { (vec![step("migrate")], step("seed")) } else { (Vec::new(), step("migrate")) };
    PodSpec {
        restart_policy: Some("OnFailure".to_owned()),
        init_containers: pod::some(first),
        containers: vec![then],
        topology_spread_constraints: None,
        ..pod::spec(plan, Component::Server)
    }
}

/// How far the Job among `children` is, unless it is done or there is none.
pub(in crate::reconcile) async fn unfinished(plan: &Plan, children: &[Child], context: &Context) -> Result<Option<String>, Error> {
    let Some(child) = children.iter().find(|child| child.kind == Kind::Job) else { return Ok(None) };
    let jobs: Api<Job> = Api::namespaced(context.client.clone(), &plan.owner.namespace);
    let status = jobs.get_opt(&child.name).await?.and_then(|job| job.status).unwrap_or_default();
    if status.succeeded.is_some_and(|pods| pods > 0) {
        return Ok(None);
    }
    let pods: Api<Pod> = Api::namespaced(context.client.clone(), &plan.owner.namespace);
    let pods = pods.list(&ListParams::default().labels(&format!("batch.kubernetes.io/job-name={}", child.name))).await?.items;
    let why = Trouble::of_pods(&pods).map(|trouble| format!(": {}", trouble.message)).unwrap_or_default();
    Ok(Some(format!("waits for the migration of the users, Job {}{why}", child.name)))
}
