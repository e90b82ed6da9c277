//! From one resource to what it describes. See [`provisioned`] and [`steps`] for the way.

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
use self::provision::{Provision, Wanted};
use self::status::View;
use crate::context::Context;
use crate::error::Error;
use crate::kind::Kind;
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
        context.released.complete().await;
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
        let again = finalize::finish(watched, policy, record, context).await?;
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
    let found = provisioned(resource, record, context).await;
    let done = match found {
        Ok((wanted, provision)) => {
            let provision = Some(provision);
            if resource.spec.operation.paused {
                Done { provision, ..Done::default() }
            } else {
                steps(resource, &wanted, provision, record, context).await
            }
        }
        Err(error) => Done { outcome: Err(error), ..Done::default() },
    };
    told(resource, done, record, context).await
}

/// What the steps before the status came to.
struct Done {
    provision: Option<Provision>,
    /// Why the services are left as they are for now.
    held: Option<String>,
    plan: Option<Plan>,
    outcome: Result<Applied, Error>,
}

impl Default for Done {
    fn default() -> Self {
        Self { provision: None, held: None, plan: None, outcome: Ok(Applied::default()) }
    }
}

/// What is wanted of releases, and how far they are; what is missing is begun.
async fn provisioned(resource: &UserInfoDeployment, record: &mut Record, context: &Context) -> Result<(Wanted, Provision), Error> {
    let helm = &context.helm;
    let wanted = provision::wanted(&context.client, resource, &helm.charts, helm.foreign, helm.metrics_address.as_deref()).await?;
    let provision = provision::provision(resource, &wanted, record, context).await?;
    Ok((wanted, provision))
}

/// The steps of a reconcile once the releases are on their way; the last, the status, follows whatever comes of the others.
async fn steps(
    resource: &UserInfoDeployment,
    wanted: &Wanted,
    provision: Option<Provision>,
    record: &mut Record,
    context: &Context,
) -> Done {
    let owner = Owner::of(&resource.metadata);
    let config = (Kind::ConfigMap, owner.object(Component::Server));
    let used = context.children.of(&owner).remove(&config).map(|seen| seen.uses).unwrap_or_default();
    let held = provision.as_ref().and_then(|provision| provision::hold(provision, &used));
    let mut done = Done { provision, held, ..Done::default() };
    let found = match dereference::dereference(resource, wanted, done.held.is_none(), record, context).await {
        Ok(found) => found,
        Err(error) => return Done { outcome: Err(error), ..done },
    };
    let plan = match validate::validate(resource, found) {
        Ok(plan) => plan,
        Err(error) => return Done { outcome: Err(error), ..done },
    };
    if done.held.is_some() {
        return done;
    }
    let children = build::build(&plan);
    done.outcome = apply::apply(&plan, &children, record, context).await;
    if let Ok(applied) = &mut done.outcome {
        done.held = applied.waiting.take();
    }
    Done { plan: Some(plan), ..done }
}

/// Looks at the pods, has them confirm their settings, and writes the status. Returns when to look again.
async fn told(resource: &UserInfoDeployment, done: Done, record: &mut Record, context: &Context) -> Result<Option<Duration>, Error> {
    let Done { provision, held, plan, outcome } = done;
    let plan = plan.as_ref();
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
        provision: provision.as_ref(),
        held: held.as_deref(),
        server: observe::observe(&owner, Component::Server, context).await?,
        client: observe::observe(&owner, Component::Client, context).await?,
        server_confirmed: Confirmation::default(),
        client_confirmed: Confirmation::default(),
        clock: record.faults.clone().or_else(|| plan.is_none().then(|| resource.status.as_ref()?.faults.clone()).flatten()),
        now: Timestamp::now(),
    };
    let mut again = provision.as_ref().and_then(|provision| provision.again);
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
    let unused = plan.is_some() && failure.is_none() && view.services_settled();
    let surplus = provision.as_ref().filter(|_| !resource.spec.operation.paused).map(|provision| provision.removable(unused));
    if let Some(surplus) = surplus.filter(|surplus| !surplus.is_empty()) {
        again = pace::sooner(again, provision::remove::releases(&owner, &surplus, record, context).await?.map(|wait| wait.again));
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
