//! From one resource to what it describes. See [`steps`] for the five steps.

pub mod apply;
pub mod build;
pub mod confirm;
pub mod dereference;
pub mod faults;
pub mod finalize;
pub mod observe;
pub mod pace;
pub mod provision;
pub mod report;
pub mod status;
pub mod unreadable;
pub mod validate;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use tracing::Instrument;
use user_info_api::crd::UserInfoDeployment;

use self::apply::Applied;
use self::build::Plan;
use self::confirm::Confirmation;
use self::status::View;
use crate::context::Context;
use crate::error::Error;
use crate::memory::Record;
use crate::names::{Component, Owner};
use crate::resource::Watched;

/// Longest time that one reconcile may take: the client itself tries again for much longer.
const LIMIT: Duration = Duration::from_secs(60);

/// Reconciles one resource when it is its turn. Failures end up in the status, in Events, in metrics and in the log, and set the time of the
/// next try.
pub async fn reconcile(watched: Arc<Watched>, context: Arc<Context>) -> Result<Action, Infallible> {
    let waiting = context.metrics.wait();
    let turn = async {
        // Nothing is known of children before the watches have begun; once they have, this takes no time.
        context.children.complete().await;
        context.turns.acquire().await
    };
    let _turn = tokio::select! {
        biased;
        () = context.stop.clone() => return Ok(Action::await_change()),
        turn = turn => turn,
    };
    drop(waiting);
    let meta = watched.meta();
    let (namespace, name) = (meta.namespace.as_deref().unwrap_or_default(), meta.name.as_deref().unwrap_or_default());
    let span = tracing::info_span!("reconcile", object = format_args!("{namespace}/{name}"));
    // On the heap, since most reconciles only wait.
    Ok(Box::pin(guarded(&watched, &context)).instrument(span).await)
}

async fn guarded(watched: &Watched, context: &Context) -> Action {
    let meta = watched.meta();
    let uid = meta.uid.clone().unwrap_or_default();
    let record = context.memory.of(&uid);
    let mut record = record.lock().await;
    let timer = context.metrics.duration.start_timer();
    let outcome = tokio::time::timeout(LIMIT, resource(watched, &mut record, context)).await;
    timer.observe_duration();
    match outcome.unwrap_or(Err(Error::Timeout(LIMIT))) {
        Ok(next) => {
            record.failures = 0;
            context.metrics.reconciled("ok");
            next.map_or_else(Action::await_change, Action::requeue)
        }
        Err(error) => {
            record.failures += 1;
            context.metrics.failed(&error);
            let pause = pace::after_failure(error.class(), record.failures);
            tracing::warn!(%error, class = error.class().name(), reason = error.reason(), again_in = ?pause, "not reconciled");
            Action::requeue(pause)
        }
    }
}

/// Reconciles one resource, whatever state it is in. Returns when to look again.
async fn resource(watched: &Watched, record: &mut Record, context: &Context) -> Result<Option<Duration>, Error> {
    let meta = watched.meta();
    if meta.deletion_timestamp.is_some() {
        let policy = unreadable::policy(watched, context).await?;
        let again = finalize::finish(watched, policy, context).await?;
        if again.is_none() {
            context.metrics.state(record.told.take().as_deref(), None);
            context.memory.forget(meta.uid.as_deref().unwrap_or_default());
        }
        return Ok(again);
    }
    let resource = match &watched.0 {
        Ok(resource) => resource,
        Err(object) => return unreadable::report(object, context).await.map(Some),
    };
    finalize::hold(meta, context).await?;
    if resource.spec.operation.paused {
        return told(resource, None, Ok(Applied::default()), record, context).await;
    }
    let (plan, outcome) = steps(resource, record, context).await;
    told(resource, plan.as_ref(), outcome, record, context).await
}

/// The steps of a reconcile; the fifth, the status, follows whatever comes of the others.
async fn steps(resource: &UserInfoDeployment, record: &mut Record, context: &Context) -> (Option<Plan>, Result<Applied, Error>) {
    let found = match dereference::dereference(resource, record, context).await {
        Ok(found) => found,
        Err(error) => return (None, Err(error)),
    };
    let plan = match validate::validate(resource, found) {
        Ok(plan) => plan,
        Err(error) => return (None, Err(error)),
    };
    let children = build::build(&plan);
    let applied = apply::apply(&plan, &children, record, context).await;
    (Some(plan), applied)
}

/// Looks at the pods, has them confirm their settings, and writes the status. Returns when to look again.
async fn told(
    resource: &UserInfoDeployment,
    plan: Option<&Plan>,
    outcome: Result<Applied, Error>,
    record: &mut Record,
    context: &Context,
) -> Result<Option<Duration>, Error> {
    let (applied, failure) = match outcome {
        Ok(applied) => (applied, None),
        // What time mends is not worth a change of the status until it lasts.
        Err(error) if !status::lasting(&error) && record.failures < pace::PATIENCE => return Err(error),
        Err(error) => (Applied::default(), Some(error)),
    };
    if applied.changed {
        record.looks = 0;
    }
    if !applied.corrected.is_empty() {
        let note = format!("changed by someone else and changed back: {}", applied.corrected.join(", "));
        report::event(&resource.object_ref(&()), EventType::Normal, "DriftCorrected", "Apply", note, context).await;
    }
    let owner = Owner::of(&resource.metadata);
    let mut view = View {
        resource,
        plan: plan.filter(|_| failure.is_none()),
        failure: failure.as_ref(),
        drifted: &applied.drifted,
        server: observe::observe(&owner, Component::Server, context).await?,
        client: observe::observe(&owner, Component::Client, context).await?,
        server_confirmed: Confirmation::default(),
        client_confirmed: Confirmation::default(),
        clock: record.faults.clone().or_else(|| plan.is_none().then(|| resource.status.as_ref()?.faults.clone()).flatten()),
        now: Timestamp::now(),
    };
    let mut again = None;
    let components: Vec<_> = view.plan.map(|plan| plan.components().collect()).unwrap_or_default();
    for component in components {
        let (observed, slot) = match component {
            Component::Server => (&view.server, &mut view.server_confirmed),
            Component::Client => (&view.client, &mut view.client_confirmed),
        };
        if let (Some(plan), Some(observed)) = (view.plan, observed.as_ref().filter(|observed| observed.workload.ready > 0)) {
            let mut progress = record.confirmations.remove(&component);
            let pause = confirm::confirm(plan, component, &observed.workload, &mut progress, context).await;
            record.confirmations.extend(progress.map(|progress| (component, progress)));
            let (confirmation, pause) = pause?;
            *slot = confirmation;
            again = pace::sooner(again, pause);
        }
    }
    let status = status::status(&view);
    report::write(resource, &status, context).await?;
    report::tell(resource, &status, record, context).await;
    record.looks = if view.settled() { 0 } else { record.looks + 1 };
    let looks = record.looks;
    let expiry = view.clock.as_ref().and_then(|clock| pace::until(clock.expires_at.0, view.now));
    match failure {
        Some(error) => Err(error),
        None => Ok(pace::sooner(pace::sooner(again, expiry), Some(pace::next_look(looks)))),
    }
}
