//! One reconcile, from its turn to what became of it: around the steps.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use kube::Resource;
use kube::runtime::controller::Action;
use tracing::Instrument;

use super::{pace, resource};
use crate::context::Context;
use crate::error::Error;
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
            tracing::warn!(%error, class = error.class().name(), reason = error.reason().name(), again_in = ?pause, "not reconciled");
            Action::requeue(pause)
        }
    }
}
