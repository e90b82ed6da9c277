//! What leads to reconciles: the watches of the resources and of what was made from them.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt, future, stream};
use kube::runtime::controller::{Action, Config as ControllerConfig, Controller};
use kube::runtime::events::{Recorder, Reporter};
use kube::runtime::reflector::{ObjectRef, store};
use kube::runtime::{Predicate, PredicateConfig, WatchStreamExt, predicates, watcher};
use kube::{Api, Client, Resource};
use tokio::sync::{Mutex, Semaphore};

use crate::access::Access;
use crate::children::{self, Children};
use crate::context::Context;
use crate::discovery::Optional;
use crate::helm::Helm;
use crate::helm::runner::Runner;
use crate::kind::Kind;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::names::{HELM, MANAGED_BY, OPERATOR};
use crate::reconcile::provision::RELEASED;
use crate::reconcile::reconcile;
use crate::resource::{Watched, prune};
use crate::roles::Roles;

/// Resources in one page of the list that their watch begins with: a page is in memory as a whole.
const PAGE: u32 = 50;

/// How resources are looked after.
#[derive(Debug, Clone)]
pub struct ControllerSettings {
    /// Namespaces to look after; none is all.
    pub namespaces: Vec<String>,
    /// Reconciles at a time.
    pub concurrency: usize,
    /// How long a change waits for further ones.
    pub debounce: Duration,
    /// Where the roles are that the operator binds.
    pub roles: Roles,
    /// How pods are asked for the configuration in force.
    pub access: Access,
    /// This process's name in Events.
    pub identity: String,
    /// Helm, and the charts that come with the operator.
    pub helm: Helm,
}

/// Looks after all resources until `stop`; ends when the reconciles that run by then have ended.
pub async fn run(client: Client, metrics: Arc<Metrics>, settings: ControllerSettings, stop: impl Future<Output = ()> + Send + 'static) {
    let stop = stop.boxed().shared();
    let namespaces = match settings.namespaces.as_slice() {
        [] => vec![None],
        some => some.iter().cloned().map(Some).collect(),
    };
    let (service_monitors, look) = Optional::look(client.clone(), "monitoring.coreos.com/v1", "ServiceMonitor").await;
    metrics.forget_states();
    let reporter = Reporter { controller: OPERATOR.to_owned(), instance: Some(settings.identity) };
    // Every cluster knows all kinds but the optional one.
    let lists = namespaces.len() * (Kind::OWN.len() - 1);
    let runner = Runner::new(settings.helm.program.clone(), settings.helm.concurrency, Arc::clone(&metrics));
    let context = Arc::new(Context {
        children: Arc::new(Children::new(OPERATOR, lists)),
        released: Arc::new(Children::new(HELM, namespaces.len() * Kind::RELEASED.len())),
        helm: settings.helm,
        runner,
        memory: Memory::default(),
        recorder: Recorder::new(client.clone(), reporter),
        metrics,
        turns: Semaphore::new(settings.concurrency),
        stop,
        service_monitors,
        roles: settings.roles,
        accounts: Mutex::default(),
        access: settings.access,
        client,
    });
    let controllers = namespaces.iter().map(|namespace| one(&context, namespace.as_deref(), settings.debounce));
    let all = future::join_all(controllers.collect::<Vec<_>>());
    let halt = async {
        context.stop.clone().await;
        context.runner.stop().await;
    };
    tokio::select! {
        _ = future::join(all, halt) => {}
        () = look => {}
    }
}

/// Looks after the resources of one namespace, or of all.
fn one(context: &Arc<Context>, namespace: Option<&str>, debounce: Duration) -> impl Future<Output = ()> {
    let client = &context.client;
    let api: Api<Watched> = match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    };
    let (reader, writer) = store::<Watched>();
    // Without what the operator writes itself: neither a status nor the removal of its finalizer calls for a reconcile.
    let changes = predicates::generation.combine(predicates::annotations).combine(predicates::labels);
    let resources = watcher(api, watcher::Config::default().page_size(PAGE))
        .default_backoff()
        .modify(|watched| prune(watched.meta_mut()))
        .reflect(writer)
        .applied_objects()
        .predicate_filter(changes, PredicateConfig::default());
    let own = stream::select_all(Kind::OWN.map(|kind| {
        let optional = context.service_monitors.clone();
        let known = async move {
            if kind == Kind::ServiceMonitor {
                optional.appeared().await;
            }
        };
        let selector = format!("{MANAGED_BY}={OPERATOR}");
        children::watch(client, kind, &selector, namespace.map(str::to_owned), Arc::clone(&context.children), known).boxed()
    }));
    let released = stream::select_all(Kind::RELEASED.map(|kind| {
        let index = Arc::clone(&context.released);
        children::watch(client, kind, RELEASED, namespace.map(str::to_owned), index, future::ready(())).boxed()
    }));
    let only = namespace.map(str::to_owned);
    let ended = context.runner.endings().filter_map(move |(namespace, name)| {
        let ours = only.as_ref().is_none_or(|only| *only == namespace);
        future::ready(ours.then(|| ObjectRef::new(&name).within(&namespace)))
    });
    let appeared = context.service_monitors.clone();
    let late = if appeared.known() { stream::empty().boxed() } else { stream::once(appeared.appeared()).boxed() };
    // A controller that is stopped before it has listed the resources would wait for the list for ever.
    let (listed, stop) = (reader.clone(), context.stop.clone());
    let too_early = async move {
        tokio::select! {
            _ = listed.wait_until_ready() => future::pending().await,
            () = stop => {}
        }
    };
    let controller = Controller::for_stream(resources, reader)
        .with_config(ControllerConfig::default().debounce(debounce))
        .reconcile_on(stream::select(own, released))
        .reconcile_on(ended)
        .reconcile_all_on(late)
        .graceful_shutdown_on(context.stop.clone())
        .run(reconcile, |_, error, _| -> Action { match *error {} }, Arc::clone(context))
        .for_each(|outcome| {
            if let Err(error) = outcome {
                log(&error);
            }
            future::ready(())
        });
    future::select(controller.boxed(), too_early.boxed()).map(drop)
}

/// Reconciles do not fail; what does is the watch of the resources, or finding one that has just gone.
fn log(error: &kube::runtime::controller::Error<std::convert::Infallible, watcher::Error>) {
    use kube::runtime::controller::Error;

    match error {
        Error::ObjectNotFound(object) => tracing::debug!(%object, "gone"),
        error => tracing::warn!(%error, "the watch of the resources broke off; it begins anew"),
    }
}
