//! The whole program: workers, admin endpoints, a place in the registry, and the order in which they start and stop.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::OptionFuture;
use prometheus::Registry;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use user_info_api::config::{Server, UserInfoConfig, UserInfoLive};
use user_info_bounded::Answers;
use user_info_layers::middleware::spans::Exporter;

use super::acceptor::Acceptor;
use super::error::StartError;
use super::listener::Listeners;
use super::metrics::Metrics;
use super::services::Common;
use super::stack::ServerStack;
use super::worker::Worker;
use super::{Capacity, descriptors, grpc};
use crate::collector::CollectorError;
use crate::data::Data;
use crate::process::BindError;
use crate::process::admin::Admin;
use crate::process::readiness::{Part, Readiness};
use crate::process::running_registrar::RunningRegistrar;
use crate::registry::Instance;
use crate::registry::host::advertised;
use crate::reload::Live;
use crate::tls::TlsAcceptor;
use crate::{collector, telemetry};

/// Service name of gRPC's health protocol.
const HEALTH: &str = "api.user_info.UserInfo";

/// Bytes of the admin endpoints' answers that are not taken yet, over all connections.
const ANSWERS: usize = 16 << 20;

/// Runs the service that `config` describes, until `stop` completes and the calls in flight have ended.
///
/// `listen` gives the listeners: [`Listeners::bind`], or what is bound already. It is asked once layers and certificates are in order, so
/// that a configuration that cannot be used takes no port. What `config` was read from, if it is a `file`, is followed: its live part is put in
/// force whenever it changes.
///
/// # Errors
/// If it cannot start; then no call is served.
pub async fn run(
    listen: impl FnOnce(&Server) -> Result<Listeners, BindError>,
    config: UserInfoConfig,
    file: Option<&Path>,
    stop: impl Future<Output = &'static str>,
) -> Result<(), StartError> {
    let registry = Registry::new();
    let metrics = Metrics::new(&registry, config.server.tls.is_some(), config.registry.consul.is_some())?;
    let live = Arc::new(Live::new(config.clone(), metrics.reload));
    let config = Arc::new(config);
    let collector = collector::channel(&config.tracing)?;
    let tls = match &config.server.tls {
        Some(tls) => Some(Arc::new(TlsAcceptor::open(tls, metrics.tls.expect("made above, since TLS is configured"))?)),
        None => None,
    };

    let listeners = listen(&config.server)?;
    let readiness = Readiness::default();
    let (health_and_reflection, mut health) = grpc::health_and_reflection()?;
    let (stopping, when_stopping) = watch::channel(false);
    let addresses = Addresses::of(&listeners, &config.server)?;
    let instance = addresses.instance(&config);
    let export = collector::export(collector, &config.tracing, &config.service, &instance.id);
    let exporter = Exporter::start(export, metrics.spans).map_err(CollectorError::from)?;
    let stack = ServerStack { spans: exporter.server(&addresses.grpc, &addresses.http_url(&config.server)), ..metrics.stack };
    configure(&stack, &config.live);
    let common = Common {
        config: Arc::clone(&config),
        stack: stack.clone(),
        data_metrics: metrics.data,
        capacity: Capacity::new(&config.server),
        admin: Answers::new(ANSWERS).bound(Admin::new(registry.clone(), readiness.clone(), Arc::clone(&live)).router()),
        health_and_reflection,
        stopping: when_stopping.clone(),
        tls: tls.clone(),
        ip_addr: addresses.grpc.as_str().into(),
    };
    let workers = start(&common, &readiness, &when_stopping).await?;

    let connections = descriptors::connections(config.server.max_connections, if config.server.admin.is_some() { 3 } else { 2 });
    let acceptor = Acceptor::new(workers, connections, metrics.connections);
    let registration = RunningRegistrar::start(config.registry.consul.as_ref(), &instance, metrics.registrar, &readiness)?;
    health.set_service_status(HEALTH, ServingStatus::Serving).await;
    tracing::info!(id = instance.id, grpc = addresses.grpc, http = addresses.http, generation = config.generation, "serving");
    {
        let mut serving = pin!(async {
            let follow = file.map(|file| live.follow(file, |_| {}, |c: &UserInfoConfig| configure(&stack, &c.live)));
            let certificates = tls.as_ref().map(|tls| tls.follow());
            tokio::join!(
                acceptor.run(listeners)?,
                OptionFuture::from(follow),
                Arc::clone(&stack.cpu).run(),
                OptionFuture::from(certificates)
            );
            Ok::<_, std::io::Error>(())
        });
        let why = tokio::select! {
            why = stop => why,
            ended = serving.as_mut() => return Ok(ended?),
        };
        tracing::info!(why, drain = %config.server.drain_delay, "stopping");
        // serving => draining: callers are told, and served on until they have noticed
        tokio::select! {
            () = drain(config.server.drain_delay.get(), &readiness, &health, registration) => {}
            ended = serving.as_mut() => ended?,
        }
    }
    // draining => stopped: no new connection, no new call
    stopping.send_replace(true);
    forget(&mut health).await;
    finish(acceptor.into_workers(), exporter, config.server.shutdown_timeout.get()).await
}

fn configure(stack: &ServerStack, live: &UserInfoLive) {
    stack.configure(live);
    telemetry::set_level(live.log.level);
}

/// Where callers find this instance.
struct Addresses {
    /// Of gRPC, as advertised.
    grpc: String,
    /// Of HTTP, as advertised.
    http: String,
    /// Of the admin endpoints, if they have a listener of their own.
    admin_port: Option<u16>,
}

impl Addresses {
    fn of(listeners: &Listeners, server: &Server) -> std::io::Result<Self> {
        Ok(Self {
            grpc: advertised(&server.grpc, listeners.grpc.local_addr()?),
            http: advertised(&server.http, listeners.http.local_addr()?),
            admin_port: listeners.admin.as_ref().map(|listener| listener.local_addr().map(|address| address.port())).transpose()?,
        })
    }

    /// What is registered.
    fn instance(&self, config: &UserInfoConfig) -> Instance {
        let secure = secure(&config.server);
        let endpoints = vec![format!("grpc{secure}://{}", self.grpc), self.http_url(&config.server)];
        Instance::new(&config.service, endpoints).with_metrics_at(self.admin_port)
    }

    fn http_url(&self, server: &Server) -> String {
        format!("http{}://{}", secure(server), self.http)
    }
}

/// What a scheme ends with over TLS.
const fn secure(server: &Server) -> &'static str {
    if server.tls.is_some() { "s" } else { "" }
}

/// Starts the workers, one after another. Each opens the stores for itself, which `readiness` tells of from then on.
async fn start(common: &Common, readiness: &Readiness, stopping: &watch::Receiver<bool>) -> Result<Vec<Worker>, StartError> {
    let (mut workers, mut stores) = (Vec::new(), Vec::new());
    for index in 0..worker_count(common.config.server.workers) {
        let common = common.clone();
        let (worker, built) = Worker::start(index, || common.services(), stopping.clone())?;
        stores.push(built.await.map_err(|_| StartError::Worker)??);
        workers.push(worker);
    }
    readiness_of_stores(readiness, stores);
    Ok(workers)
}

/// One worker a CPU of the container's or machine's limit, unless told otherwise.
fn worker_count(configured: u16) -> usize {
    if configured > 0 { configured.into() } else { std::thread::available_parallelism().map_or(1, usize::from) }
}

/// Reports the stores; they never make an instance unready, since all instances share them.
fn readiness_of_stores(readiness: &Readiness, workers: Vec<Data>) {
    let workers = Arc::new(workers);
    for (store, name) in ["users", "views"].into_iter().enumerate() {
        let workers = Arc::clone(&workers);
        readiness.add(move || {
            let states: Vec<_> = workers.iter().map(|data| data.status()[store].clone()).collect();
            let failed = states.iter().find_map(|s| s.last_error.clone());
            let connected = states.iter().all(|s| s.connected > 0);
            let place = states.first().map(|s| s.store.to_string()).unwrap_or_default();
            let message = failed.as_ref().map_or(place, ToString::to_string);
            Part { name, ok: connected && failed.is_none(), required: false, message }
        });
    }
}

/// Tells callers by readiness, health and the registry that the service ends, and gives them time to notice.
async fn drain(delay: Duration, readiness: &Readiness, health: &HealthReporter, registration: RunningRegistrar) {
    readiness.drain();
    health.set_service_status(HEALTH, ServingStatus::NotServing).await;
    health.set_service_status("", ServingStatus::NotServing).await;
    tokio::join!(registration.leave(), sleep(delay));
}

/// Ends those who watch the health, which they have been told is not serving: they would go on for ever.
async fn forget(health: &mut HealthReporter) {
    for service in [HEALTH, ""] {
        health.clear_service_status(service).await;
    }
}

/// Waits until the calls in flight have ended and the last spans are sent, for `limit` at most.
async fn finish(workers: Vec<Worker>, exporter: Exporter, limit: Duration) -> Result<(), StartError> {
    // On a thread of its own, which ends with the process: a runtime waits for its blocking tasks, however long they take.
    let (finished, all_finished) = oneshot::channel();
    std::thread::Builder::new().name("stop".to_owned()).spawn(move || {
        workers.into_iter().for_each(Worker::join);
        exporter.shut_down();
        let _ = finished.send(());
    })?;
    if timeout(limit, all_finished).await.is_err() {
        tracing::warn!(limit = %user_info_api::Duration::from(limit), "calls still in flight are cut off");
    }
    tracing::info!("stopped");
    Ok(())
}

#[cfg(test)]
mod tests;
