//! Sees to it that pods put a changed config file in force, and counts those that have.
//!
//! The kubelet looks at a mounted `ConfigMap` at once when the pod changes, else within a minute. So an annotation of each pod that has not
//! confirmed is set, again and again, since the kubelet may still have seen the old file. When all have confirmed nobody is asked any more,
//! until the file or the set of pods changes.

mod access;

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::time::Instant;
use user_info_backoff::Backoff;

pub use self::access::Access;
use super::build::Plan;
use super::observe::Workload;
use crate::context::Context;
use crate::error::Error;
use crate::names::{CONFIG_HASH, Component, OPERATOR};

/// How long pods are asked before that is given up.
const LIMIT: Duration = Duration::from_secs(60);
/// Time between two times.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(150), Duration::from_secs(4));
/// Pods asked at a time.
const AT_A_TIME: usize = 16;

/// How far a component's pods are.
#[derive(Debug, Clone)]
pub struct Progress {
    subject: (String, Workload),
    since: Instant,
    rounds: u32,
    state: Confirmation,
}

/// Who has confirmed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confirmation {
    /// Pods that are ready.
    pub pods: usize,
    /// Those of them that have the file in force.
    pub confirmed: usize,
    /// What one of the others says.
    pub problem: Option<String>,
    /// Whether the others are asked no more.
    pub given_up: bool,
}

impl Confirmation {
    /// Whether all have confirmed.
    pub fn complete(&self) -> bool {
        self.confirmed == self.pods
    }

    /// Whether there are others, and they will be asked again.
    pub fn pending(&self) -> bool {
        !self.complete() && !self.given_up
    }
}

/// Asks the pods of `component` unless they all have confirmed, and wakes those that have not. Returns who has, and when to ask again.
pub async fn confirm(
    plan: &Plan,
    component: Component,
    workload: &Workload,
    progress: &mut Option<Progress>,
    context: &Context,
) -> Result<(Confirmation, Option<Duration>), Error> {
    let hash = &plan.config(component).revision.hash;
    let subject = (hash.clone(), workload.clone());
    let current = match progress.take() {
        Some(known) if known.subject == subject => known,
        // The clock of a file that is being followed goes on when pods come and go.
        Some(known) if known.subject.0 == *hash && known.state.pending() => Progress { subject, ..known },
        _ => Progress { subject, since: Instant::now(), rounds: 0, state: Confirmation { pods: usize::MAX, ..Confirmation::default() } },
    };
    let progress = progress.insert(current);
    if !progress.state.pending() {
        return Ok((progress.state.clone(), None));
    }
    let state = round(plan, component, progress.rounds, context).await?;
    progress.state = Confirmation { given_up: !state.complete() && progress.since.elapsed() > LIMIT, ..state };
    progress.rounds += 1;
    let pause = BACKOFF.after(progress.rounds);
    Ok((progress.state.clone(), progress.state.pending().then_some(pause)))
}

/// Asks all pods once, and wakes those that have not confirmed.
async fn round(plan: &Plan, component: Component, number: u32, context: &Context) -> Result<Confirmation, Error> {
    let api: Api<Pod> = Api::namespaced(context.client.clone(), &plan.owner.namespace);
    let pods = api.list(&ListParams::default().labels(&plan.owner.selector_text(component))).await?.items;
    let port = plan.admin_port(component);
    let config = plan.config(component);
    let ask = |pod| async move { (pod, context.access.config(&context.client, pod, port).await) }.boxed();
    let deployment = plan.owner.object(component);
    let questions: Vec<_> = pods.iter().filter(|pod| ready(pod) && made_by(pod, &deployment)).map(ask).collect();
    let answers: Vec<_> = stream::iter(questions).buffer_unordered(AT_A_TIME).collect().await;
    let mut state = Confirmation { pods: answers.len(), ..Confirmation::default() };
    for (pod, answer) in answers {
        match answer.and_then(|in_force| judge(&in_force, &config.live)) {
            Ok(()) => state.confirmed += 1,
            Err(problem) => {
                state.problem = Some(format!("{}: {problem}", pod.name_any()));
                wake(&api, pod, &config.revision.hash, number, context).await?;
            }
        }
    }
    Ok(state)
}

/// Whether a pod is the Deployment's: someone else's may bear the same labels.
fn made_by(pod: &Pod, deployment: &str) -> bool {
    pod.owner_references().iter().any(|owner| {
        let set = owner.name.strip_prefix(deployment).and_then(|rest| rest.strip_prefix('-'));
        owner.controller == Some(true) && owner.kind == "ReplicaSet" && set.is_some_and(|hash| !hash.contains('-'))
    })
}

/// Whether a pod's answer says that `live` is in force, else what it says.
fn judge(in_force: &Value, live: &Value) -> Result<(), String> {
    match in_force["problem"].as_str() {
        Some(problem) => Err(problem.to_owned()),
        None if in_force["config"]["live"] == *live => Ok(()),
        None => Err("has not read the new settings yet".to_owned()),
    }
}

/// Changes an annotation of the pod, to another value at each round.
async fn wake(api: &Api<Pod>, pod: &Pod, hash: &str, round: u32, context: &Context) -> Result<(), Error> {
    let value = if round == 0 { hash.to_owned() } else { format!("{hash}.{round}") };
    let patch = json!({"metadata": {"annotations": {CONFIG_HASH: value}}});
    let parameters = PatchParams { field_manager: Some(OPERATOR.to_owned()), ..PatchParams::default() };
    match api.patch_metadata(&pod.name_any(), &parameters, &Patch::Merge(&patch)).await {
        Ok(_) => {
            context.metrics.writes.with_label_values(&["Pod", "patch"]).inc();
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Whether the pod takes calls and is not about to stop.
pub(super) fn ready(pod: &Pod) -> bool {
    let conditions = pod.status.as_ref().and_then(|status| status.conditions.as_ref());
    let ready = conditions.into_iter().flatten().any(|condition| condition.type_ == "Ready" && condition.status == "True");
    ready && pod.metadata.deletion_timestamp.is_none()
}

#[cfg(test)]
mod tests;
