//! A resource that goes before what was made from it: its namespace is being deleted, or its releases are abandoned.

use kube::Resource;
use kube::runtime::events::EventType;
use user_info_api::crd::DeletionPolicy;

use crate::context::Context;
use crate::error::Error;
use crate::names::{ABANDON_RELEASES, Owner};
use crate::namespace;
use crate::reason::Reason;
use crate::reconcile::provision::remove;
use crate::reconcile::{events, unreadable};
use crate::resource::Watched;

/// What stays when a resource goes.
#[derive(Debug)]
pub(super) struct Leaves {
    cause: Cause,
    /// What stays, as `Kind name`.
    what: Vec<String>,
}

/// Why a resource is not held until all is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// The namespace's controller removes all that is in it, Helm's records among it. Objects of releases elsewhere stay.
    Namespace,
    /// Someone said that the releases may stay.
    Abandoned,
}

impl Cause {
    /// Its name in metrics.
    const fn name(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Abandoned => "abandoned",
        }
    }
}

/// What stays, if the resource is not to be held until all is gone.
/// Releases that are retained need not be abandoned.
pub(super) async fn leaves(watched: &Watched, policy: DeletionPolicy, owner: &Owner, context: &Context) -> Result<Option<Leaves>, Error> {
    let outside = async || {
        let addons = unreadable::status(watched, context).await?.addons;
        Ok::<_, Error>(addons.into_iter().flat_map(|addon| addon.outside))
    };
    if namespace::terminating(&context.client, &owner.namespace).await? {
        return Ok(Some(Leaves { cause: Cause::Namespace, what: outside().await?.collect() }));
    }
    let annotation = watched.meta().annotations.as_ref().and_then(|all| all.get(ABANDON_RELEASES));
    if policy == DeletionPolicy::Retain || annotation.is_none_or(|value| value == "false") {
        return Ok(None);
    }
    let mut what = remove::standing(owner, context).await?;
    what.extend(outside().await?);
    Ok(Some(Leaves { cause: Cause::Abandoned, what }))
}

/// Says in an Event what stays, while there is a resource to say it of.
pub(super) async fn tell(watched: &Watched, leaves: &Leaves, context: &Context) {
    // A namespace that is being deleted takes no Events.
    if leaves.cause == Cause::Abandoned && !leaves.what.is_empty() {
        let note = format!("let go, and these stay: {}", leaves.what.join(", "));
        events::event(&watched.object_ref(&()), EventType::Warning, Reason::Leftovers, "Finalize", note, context).await;
    }
}

/// Counts and logs what stays.
pub(super) fn count(leaves: &Leaves, context: &Context) {
    if !leaves.what.is_empty() {
        tracing::warn!(cause = leaves.cause.name(), left = leaves.what.join(", "), "the resource is let go, and this stays");
    }
    context.metrics.leftovers.with_label_values(&[leaves.cause.name()]).inc_by(leaves.what.len() as u64);
}
