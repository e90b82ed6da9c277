//! What is done once for the data of a managed store of the users.

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use user_info_api::render::config_hash;

use super::{Child, Plan, pod};
use crate::kind::Kind;
use crate::names::{COMPONENT, Component};

/// Tries before it counts as failed; between them passes up to five minutes.
const TRIES: i32 = 20;
/// Value of the label of the part of the system.
const NAME: &str = "migration";

/// A job that migrates the data, if there are any: one for each version of the image and each set of data, since what is lost with a
/// pod's volume has to be made again.
pub(super) fn build(plan: &Plan) -> Option<Child> {
    let data = plan.data.as_ref()?;
    let mut labels = plan.owner.labels(Component::Server);
    labels.insert(COMPONENT.to_owned(), NAME.to_owned());
    labels.insert("app.kubernetes.io/name".to_owned(), NAME.to_owned());
    let mut spec = pod::migration(plan);
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
