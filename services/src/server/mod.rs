//! `user_info`: listeners, workers, admin endpoints, and the order in which they start and stop.

mod acceptor;
mod args;
pub(crate) mod connection;
mod descriptors;
mod error;
pub mod grpc;
mod handler;
pub mod http;
mod incoming;
mod listener;
pub mod openapi;
mod prompt;
mod room;
mod taken;
pub(crate) mod worker;

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::OptionFuture;
use prometheus::Registry;
use prometheus::process_collector::ProcessCollector;
use tokio::sync::{oneshot, watch};
use tokio::time::{sleep, timeout};
use tonic_health::ServingStatus;
use user_info_api::config::UserInfoConfig;
use user_info_proto::GET_USER_INFO;

pub use args::{Args, Command};
pub use error::StartError;
pub use handler::handler;
pub use listener::Listeners;
pub use room::{Held, Holding, Room};

use self::acceptor::Acceptor;
use self::connection::Http2;
use self::worker::{Services, Worker};
use crate::data::{ConnectError, Data, DataMetrics};
use crate::metrics::Register;
use crate::middleware::ServerLayers;
use crate::middleware::access_log::AccessLogLayer;
use crate::middleware::deadline::{DeadlineLayer, Ticker};
use crate::middleware::fault::FaultLayer;
use crate::middleware::metrics::{CallMetrics, MetricsLayer};
use crate::middleware::rate_limit::{CpuMeter, RateLimitLayer};
use crate::middleware::recovery::RecoveryLayer;
use crate::middleware::spans::{self, SpanLayer};
use crate::process::admin::{self, Admin};
use crate::process::readiness::{Part, Readiness};
use crate::process::registration::{Registration, RegistrationError};
use crate::registry::host::advertised;
use crate::registry::{Agent, Instance, RegistrarMetrics};
use crate::reload::{self, Live};
use crate::telemetry::LogMetrics;
use crate::tls;

/// What the names of the metrics begin with.
const PREFIX: &str = "bbs_user_info";

/// Service name of gRPC's health protocol.
const HEALTH: &str = "api.user_info.UserInfo";

/// Runs the service that `config`, read from the file at `path`, describes, until `stop` completes and the calls in flight have ended.
///
/// # Errors
/// If it cannot start; then nothing of it runs.
pub async fn run(config: UserInfoConfig, path: &Path, stop: impl Future<Output = &'static str>) -> Result<(), StartError> {
    // Everything that can be refused is tried before a port is bound.
    let registry = Registry::new();
    registry.register(Box::new(ProcessCollector::for_self()))?;
    LogMetrics::register(&registry, PREFIX)?;
    let live = Arc::new(Live::new(config.clone(), &registry)?);
    let cpu = Arc::new(CpuMeter::default());
    let (spans, exporter) = spans::start(&config.tracing, &config.service)?;
    let layers = layers(&registry, &cpu, spans)?;
    layers.apply(&config.live);
    let data_metrics = DataMetrics::register(&registry)?;
    drop(Data::open(&config.users, &config.views, &data_metrics).await?);
    if let Some(consul) = &config.registry.consul {
        drop(Agent::all(consul, "registry.consul").map_err(RegistrationError::from)?);
    }
    let tls = match &config.server.tls {
        Some(tls) => Some(Arc::new(tls::Acceptor::open(tls, tls::AcceptorMetrics::new(&registry, PREFIX)?)?)),
        None => None,
    };

    let listeners = Listeners::bind(&config.server)?;
    let grpc_address = advertised(&config.server.grpc, listeners.grpc.local_addr()?);
    let http_address = advertised(&config.server.http, listeners.http.local_addr()?);
    let admin_port = listeners.admin.as_ref().map(|listener| listener.local_addr().map(|address| address.port())).transpose()?;
    let readiness = Readiness::default();
    let admin = Admin::new(registry.clone(), readiness.clone(), Arc::clone(&live)).router();
    let (companions, health) = grpc::companions()?;
    let room = Room::new(&config.server);

    let (stopping, when_stopping) = watch::channel(false);
    let mut workers = Vec::new();
    let mut stores = Vec::new();
    for index in 0..worker_count(config.server.workers) {
        let (layers, metrics, config) = (layers.clone(), data_metrics.clone(), config.clone());
        let (admin, companions, tls, ip_addr) = (admin.clone(), companions.clone(), tls.clone(), grpc_address.as_str().into());
        let room = room.clone();
        let build = async move || {
            let ticker = Ticker::default();
            tokio::spawn(ticker.clone().run());
            let data = Data::open(&config.users, &config.views, &metrics).await?;
            let timeout = config.server.timeout.get();
            let deadline = DeadlineLayer::new(ticker.clone(), timeout);
            let stack = ServerLayers { deadline, ..layers }.wrap(handler(data.clone(), ip_addr));
            let beside = if config.server.admin.is_none() { admin.clone() } else { axum::Router::new() };
            let http = http::router(stack.clone(), room.clone(), beside);
            let companions = grpc::Companions::new(companions, room.clone(), ticker.clone(), timeout);
            let services = Services {
                http_by_http2: http::bounded(http.clone(), room.clone()),
                http,
                grpc: grpc::Dispatch::new(grpc::Grpc::new(stack, room.clone()), companions),
                admin: admin::json_errors(admin),
                tls,
                http2: Http2 { max_concurrent_streams: config.server.max_concurrent_streams, room, ticker },
            };
            Ok::<_, ConnectError>((services, data))
        };
        let (worker, built) = Worker::start(index, build, when_stopping.clone())?;
        stores.push(built.await.map_err(|_| StartError::Worker)??);
        workers.push(worker);
    }
    readiness_of_stores(&readiness, stores);

    let room = descriptors::room(config.server.max_connections, if config.server.admin.is_some() { 3 } else { 2 });
    let acceptor = Acceptor::new(workers, room, &registry)?;
    let secure = if tls.is_some() { "s" } else { "" };
    let endpoints = vec![format!("grpc{secure}://{grpc_address}"), format!("http{secure}://{http_address}")];
    let instance = Instance::new(&config.service, endpoints).with_metrics_at(admin_port);
    let registration = Registration::start(config.registry.consul.as_ref(), &instance, &registry, &readiness)?;
    health.set_service_status(HEALTH, ServingStatus::Serving).await;
    tracing::info!(id = instance.id, grpc = grpc_address, http = http_address, generation = config.generation, "serving");

    {
        let mut serving = pin!(async {
            tokio::join!(
                acceptor.run(listeners)?,
                live.follow(path, |_| {}, |c: &UserInfoConfig| layers.apply(&c.live)),
                Arc::clone(&cpu).run(),
                OptionFuture::from(tls.as_ref().map(|tls| tls.follow()))
            );
            Ok::<_, std::io::Error>(())
        });
        let why = tokio::select! {
            why = stop => why,
            ended = serving.as_mut() => return Ok(ended?),
        };
        // serving => draining: callers are told, and served on until they have noticed
        tracing::info!(why, drain = %config.server.drain_delay, "stopping");
        readiness.drain();
        health.set_service_status(HEALTH, ServingStatus::NotServing).await;
        health.set_service_status("", ServingStatus::NotServing).await;
        let leave_and_wait = async { tokio::join!(registration.leave(), sleep(config.server.drain_delay.get())) };
        tokio::select! {
            _ = leave_and_wait => {}
            ended = serving.as_mut() => ended?,
        }
    }
    // draining => stopped: no new connection, no new call
    stopping.send_replace(true);
    // On a thread of its own, which ends with the process: a runtime waits for its blocking tasks, however long they take.
    let (finished, all_finished) = oneshot::channel();
    std::thread::Builder::new().name("stop".to_owned()).spawn(move || {
        acceptor.into_workers().into_iter().for_each(Worker::join);
        exporter.shut_down();
        let _ = finished.send(());
    })?;
    if timeout(config.server.shutdown_timeout.get(), all_finished).await.is_err() {
        tracing::warn!(limit = %config.server.shutdown_timeout, "calls still in flight are cut off");
    }
    tracing::info!("stopped");
    Ok(())
}

/// One worker a CPU of the container's or machine's limit, unless told otherwise.
fn worker_count(configured: u16) -> usize {
    if configured > 0 { configured.into() } else { std::thread::available_parallelism().map_or(1, usize::from) }
}

/// The middlewares, which let every call pass until their live settings are applied. Each worker puts a deadline of its own in.
fn layers(registry: &dyn Register, cpu: &Arc<CpuMeter>, spans: SpanLayer) -> prometheus::Result<ServerLayers> {
    let calls = Arc::new(CallMetrics::new(registry, "bbs_user_info_server", &[GET_USER_INFO])?);
    Ok(ServerLayers {
        metrics: MetricsLayer::new(calls),
        spans,
        access_log: AccessLogLayer::new(registry, PREFIX)?,
        deadline: DeadlineLayer::new(Ticker::default(), Duration::MAX),
        rate_limit: RateLimitLayer::new(registry, PREFIX, Arc::clone(cpu))?,
        recovery: RecoveryLayer::new(registry, PREFIX)?,
        fault: FaultLayer::new(registry, PREFIX)?,
    })
}

/// Registers every metric that `user_info` has, without running it.
///
/// # Errors
/// If the registry has metrics of these names already.
pub fn register_metrics(registry: &dyn Register) -> prometheus::Result<()> {
    registry.register(Box::new(ProcessCollector::for_self()))?;
    LogMetrics::register(registry, PREFIX)?;
    reload::Metrics::new(registry)?;
    layers(registry, &Arc::default(), SpanLayer::default())?;
    DataMetrics::register(registry)?;
    Acceptor::new(Vec::new(), 1, registry)?;
    RegistrarMetrics::new(registry)?;
    tls::AcceptorMetrics::new(registry, PREFIX)?;
    Ok(())
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
