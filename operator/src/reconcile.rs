//! From one resource to what it describes. [`carry_out`] and [`change`] are the way, step by step.

pub mod apply;
pub mod build;
pub mod confirm;
pub mod dereference;
pub mod events;
pub mod faults;
pub mod finalize;
pub mod observe;
pub mod pace;
pub mod provision;
pub mod publish;
pub mod status;
mod turn;
pub mod unreadable;
pub mod validate;

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use user_info_api::crd::UserInfoDeployment;

use self::build::Plan;
use self::confirm::Confirmations;
use self::provision::Provision;
use self::provision::remove;
use self::status::View;
pub use self::turn::reconcile;
use crate::context::Context;
use crate::error::Error;
use crate::memory::Record;
use crate::names::Owner;
use crate::resource::Watched;

/// Reconciles one resource, whatever state it is in. Returns when to look again.
async fn resource(watched: &Watched, record: &mut Record, context: &Context) -> Result<Option<Duration>, Error> {
    let meta = watched.meta();
    if meta.deletion_timestamp.is_some() {
        let policy = unreadable::policy(watched, context).await?;
        let again = finalize::finish(watched, policy, record, context).await?;
        if again.is_none() {
            context.metrics.state(record.told.take(), None);
            context.memory.forget(meta.uid.as_deref().unwrap_or_default());
        }
        return Ok(again);
    }
    let resource = match &watched.0 {
        Ok(resource) => resource,
        Err(object) => return unreadable::report(object, context).await.map(Some),
    };
    finalize::hold(meta, context).await?;
    carry_out(resource, record, context).await
}

/// What the steps that change something came to; those after a failure came to nothing.
#[derive(Default)]
struct Done {
    /// How far releases are.
    provision: Option<Provision>,
    /// Why the services are left as they are for now.
    held: Option<String>,
    /// How the services are to be.
    plan: Option<Plan>,
    applied: apply::ApplyOutcome,
}

/// Carries out one resource. Returns when to look again.
///
/// After the steps that change something, the pods are looked at and the status says what came of it all, whether or not one of them failed.
async fn carry_out(resource: &UserInfoDeployment, record: &mut Record, context: &Context) -> Result<Option<Duration>, Error> {
    let mut done = Done::default();
    let failure = match change(resource, &mut done, record, context).await {
        // What time mends is not worth a change of the status until it lasts.
        Err(error) if !error.lasting() && record.failures < pace::PATIENCE => return Err(error),
        changed => changed.err(),
    };
    if done.applied.changed {
        record.looks = 0;
    }
    if !done.applied.corrected.is_empty() {
        events::corrected(resource, "Apply", &done.applied.corrected, context).await;
    }

    // 5. Observe the pods, have them confirm their settings, and remove what they no longer use.
    let (view, asked) = observed(resource, &done, failure.as_ref(), record, context).await?;
    let unused = view.plan.is_some() && view.services_settled();
    let removing = remove::surplus(resource, view.provision, unused, record, context).await?;

    // 6. Status.
    let status = status::status(&view);
    publish::write(resource, &status, context).await?;
    publish::tell(resource, &status, record, context).await;
    record.looks = if view.settled() { 0 } else { record.looks + 1 };
    let provisioning = view.provision.and_then(|provision| provision.again);
    let expiry = view.clock.as_ref().and_then(|clock| pace::until(clock.expires_at.0, view.now));
    match failure {
        Some(error) => Err(error),
        None => Ok([provisioning, asked, removing, expiry, Some(pace::next_look(record.looks))].into_iter().flatten().min()),
    }
}

/// The steps that change something. What they come to stands in `done`, as far as they get.
async fn change(resource: &UserInfoDeployment, done: &mut Done, record: &mut Record, context: &Context) -> Result<(), Error> {
    // 1. Provision: what is wanted of releases, and how far they are; what is missing is begun.
    let helm = &context.helm;
    let wanted = provision::wanted(&context.client, resource, &helm.charts, helm.foreign, helm.metrics_address.as_deref()).await?;
    let provision = done.provision.insert(provision::provision(resource, &wanted, record, context).await?);
    if resource.spec.operation.paused {
        return Ok(());
    }
    done.held = provision::hold(provision, &provision::used(resource, context));

    // 2. Dereference what the resource names, and validate it.
    let found = dereference::dereference(resource, &wanted, done.held.is_none(), record, context).await?;
    let plan = validate::validate(resource, found)?;
    if done.held.is_some() {
        return Ok(());
    }

    // 3. Build the objects.
    let plan = done.plan.insert(plan);
    let children = build::build(plan);

    // 4. Apply them.
    done.applied = apply::apply(plan, &children, record, context).await?;
    done.held = done.applied.waiting.take();
    Ok(())
}

/// How the pods are, and which have confirmed their settings. Returns when to ask them again.
async fn observed<'a>(
    resource: &'a UserInfoDeployment,
    done: &'a Done,
    failure: Option<&'a Error>,
    record: &mut Record,
    context: &Context,
) -> Result<(View<'a>, Option<Duration>), Error> {
    let services = observe::services(&Owner::of(&resource.metadata), context).await?;
    let now = Timestamp::now();
    let plan = done.plan.as_ref().filter(|_| failure.is_none());
    let (confirmed, again) = match plan {
        Some(plan) => confirm::services(plan, &services, record, context).await?,
        None => (Confirmations::default(), None),
    };
    let known = || done.plan.is_none().then(|| resource.status.as_ref()?.faults.clone()).flatten();
    let view = View {
        resource,
        plan,
        failure,
        drifted: &done.applied.drifted,
        provision: done.provision.as_ref(),
        held: done.held.as_deref(),
        server: services.server,
        client: services.client,
        server_confirmed: confirmed.server,
        client_confirmed: confirmed.client,
        clock: record.faults.clone().or_else(known),
        now,
    };
    Ok((view, again))
}
