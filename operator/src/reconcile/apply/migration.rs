//! Pods of a version begin after the data of the managed store were brought to its schema.

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::ListParams;

use crate::context::Context;
use crate::error::Error;
use crate::kind::Kind;
use crate::reconcile::build::{Child, Plan};
use crate::reconcile::observe::Trouble;

/// How far the job among `children` is, unless it is done or there is none.
pub(super) async fn unfinished(plan: &Plan, children: &[Child], context: &Context) -> Result<Option<String>, Error> {
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
