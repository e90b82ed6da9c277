//! Sees to it that pods put a changed config file in force, and counts those that have.
//!
//! The kubelet looks at a mounted `ConfigMap` at once when the pod changes, else within a minute. So an annotation of each pod that has not
//! confirmed is set, again and again, since the kubelet may still have seen the old file. When all have confirmed nobody is asked any more,
//! until the file or the set of pods changes.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, Patch};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use user_info_backoff::Backoff;

use super::build::Plan;
use super::observe::{Services, ready};
use super::pace;
use crate::context::Context;
use crate::error::Error;
use crate::memory::{ConfigRollout, Confirmation, Record};
use crate::names::{CONFIG_HASH, Component};
use crate::workload::Workload;
use crate::writes;

/// How long pods are asked before that is given up.
const LIMIT: Duration = Duration::from_secs(60);
/// Time between two times.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(150), Duration::from_secs(4));
/// Pods asked at a time.
const AT_A_TIME: usize = 16;

/// Which pods of each component have confirmed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confirmations {
    /// Of `user_info`.
    pub server: Confirmation,
    /// Of `user_client`.
    pub client: Confirmation,
}

/// Has the pods of all components that are ready confirm their config files. Returns who has, and when to ask again.
pub async fn services(
    plan: &Plan,
    observed: &Services,
    record: &mut Record,
    context: &Context,
) -> Result<(Confirmations, Option<Duration>), Error> {
    let mut confirmed = Confirmations::default();
    let mut again = None;
    for component in plan.components() {
        let (observed, slot) = match component {
            Component::Server => (&observed.server, &mut confirmed.server),
            Component::Client => (&observed.client, &mut confirmed.client),
        };
        let Some(observed) = observed.as_ref().filter(|observed| observed.workload.ready > 0) else { continue };
        let mut rollout = record.rollouts.remove(&component);
        let asked = confirm(plan, component, &observed.workload, &mut rollout, context).await;
        record.rollouts.extend(rollout.map(|rollout| (component, rollout)));
        let (confirmation, pause) = asked?;
        *slot = confirmation;
        again = pace::sooner(again, pause);
    }
    Ok((confirmed, again))
}

/// Asks the pods of `component` unless they all have confirmed, and wakes those that have not. Returns who has, and when to ask again.
async fn confirm(
    plan: &Plan,
    component: Component,
    workload: &Workload,
    rollout: &mut Option<ConfigRollout>,
    context: &Context,
) -> Result<(Confirmation, Option<Duration>), Error> {
    let hash = &plan.config(component).version.hash;
    let subject = (hash.clone(), workload.clone());
    let current = match rollout.take() {
        Some(known) if known.subject == subject => known,
        // The clock of a file that is being followed goes on when pods come and go.
        Some(known) if known.subject.0 == *hash && known.state.pending() => ConfigRollout { subject, ..known },
        _ => ConfigRollout::new(subject),
    };
    let rollout = rollout.insert(current);
    if !rollout.state.pending() {
        return Ok((rollout.state.clone(), None));
    }
    let state = round(plan, component, rollout.rounds, context).await?;
    rollout.state = Confirmation { given_up: !state.complete() && rollout.since.elapsed() > LIMIT, ..state };
    rollout.rounds += 1;
    let pause = BACKOFF.after(rollout.rounds);
    Ok((rollout.state.clone(), rollout.state.pending().then_some(pause)))
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
                wake(&api, pod, &config.version.hash, number, context).await?;
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
    match api.patch_metadata(&pod.name_any(), &writes::merge(), &Patch::Merge(&patch)).await {
        Ok(_) => {
            context.metrics.writes.with_label_values(&["Pod", "patch"]).inc();
            Ok(())
        }
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests;
