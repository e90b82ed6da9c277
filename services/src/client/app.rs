//! The whole program: finds the instances, calls them, serves the admin endpoints, and stops in order.

use std::future::Future;
use std::sync::Arc;

use futures_util::future::OptionFuture;
use prometheus::Registry;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};
use tower::{Service, ServiceExt};
use user_info_api::config::{UserClientConfig, UserClientLive};
use user_info_bounded::Bounds;
use user_info_layers::balance::Endpoint;
use user_info_layers::middleware::spans::{Exporter, SpanMetrics};
use user_info_layers::{Call, Error};
use user_info_proto::{GetUserInfoReply, GetUserInfoRequest};

use super::args::Args;
use super::error::StartError;
use super::metrics::Metrics;
use super::report::{Reporter, Tally, write_line};
use super::runner::{Runner, call};
use super::stack::ClientStack;
use crate::collector::{self, CollectorError};
use crate::error::ErrorBody;
use crate::process::admin::Admin;
use crate::process::bind;
use crate::process::readiness::{Part, Readiness};
use crate::process::running_registrar::RunningRegistrar;
use crate::protojson::Reply;
use crate::registry::host::{advertised, hostname};
use crate::registry::{self, Discovered, discover};
use crate::reload::Live;
use crate::telemetry;
use crate::tls::{Connector, TlsError, TlsMetrics};

/// Of the admin endpoints: Prometheus, probes and a person or two need a handful of connections.
const BOUNDS: Bounds = Bounds { connections: 256, ..Bounds::DEFAULT };

/// Makes one call and prints how it ended, as JSON: the reply, or `{"code", "reason", "message", "metadata"}`. Says whether it succeeded.
///
/// # Errors
/// If the client cannot start.
pub async fn once(config: &UserClientConfig) -> Result<bool, StartError> {
    let metrics = Metrics::new(&Registry::new(), config.tls.is_some(), false)?;
    let exporter = exporter(config, metrics.spans)?;
    let stack = ClientStack::new(&config.live, connector(config, metrics.tls)?, metrics.stack);
    let stack = ClientStack { spans: exporter.client(&config.discovery.service), ..stack };
    tokio::spawn(stack.ticker.clone().run());
    let (mut found, _task) = discover(&config.discovery, config.tls.is_some(), metrics.discovery)?;
    let waiting = found.wait_for(|d| !d.instances.is_empty());
    // Without any the call itself says so.
    let _ = timeout(config.live.timeout.get(), waiting).await;
    update(&stack, &found.borrow());
    let user = config.live.user_ids.first().copied().unwrap_or_default();
    let result = stack.service().oneshot(call(user, config.live.timeout.get(), stack.spans.begins_traces())).await;
    write_line(
        &match &result {
            Ok(reply) => serde_json::to_string(&Reply::from(reply)),
            Err(error) => serde_json::to_string(&ErrorBody::from(error)),
        }
        .unwrap_or_default(),
    );
    shut_down(exporter).await;
    Ok(result.is_ok())
}

/// Calls the service until `stop`, then waits for the calls in flight and leaves the registry.
///
/// # Errors
/// If the client cannot start; then nothing has been called.
pub async fn run(args: &Args, config: UserClientConfig, stop: impl Future<Output = &'static str>) -> Result<(), StartError> {
    let registry = Registry::new();
    let metrics = Metrics::new(&registry, config.tls.is_some(), config.registry.consul.is_some())?;
    let tls = connector(&config, metrics.tls)?;
    let exporter = exporter(&config, metrics.spans)?;
    let stack = ClientStack::new(&config.live, tls.clone(), metrics.stack);
    let stack = ClientStack { spans: exporter.client(&config.discovery.service), ..stack };
    tokio::spawn(stack.ticker.clone().run());
    let live = Arc::new(Live::new(config.clone(), metrics.reload));
    let readiness = Readiness::default();

    // A client without a config file stands alone: it has no port of its own.
    let registration = if args.config.is_some() {
        let listener = bind("admin.listen", config.admin.listen)?;
        let address = advertised(&config.admin, listener.local_addr()?);
        let instance = registry::Instance::new(&config.service, vec![format!("http://{address}")]);
        let router = Admin::new(registry.clone(), readiness.clone(), Arc::clone(&live)).router();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        // Nobody tells it to stop: it ends with the process.
        tokio::spawn(user_info_bounded::serve(listener, router, BOUNDS, std::future::pending()));
        RunningRegistrar::start(config.registry.consul.as_ref(), &instance, metrics.registrar, &readiness)?
    } else {
        RunningRegistrar::default()
    };

    let (found, _task) = discover(&config.discovery, config.tls.is_some(), metrics.discovery)?;
    readiness.add(discovery_part(found.clone()));
    let (settings, followed) = watch::channel(Arc::new(config.live.clone()));
    let output = args.output();
    let tally = Arc::new(Tally::new(args.verbose.then_some(output)));
    let reporter = Reporter {
        tally: Arc::clone(&tally),
        nodes: Arc::clone(&stack.nodes),
        breaker: stack.breaker.clone(),
        live: followed.clone(),
        output,
    };
    let runner = Runner::new(stack.service(), followed, tally, stack.spans.begins_traces());
    tracing::info!(service = config.discovery.service, generation = config.generation, "calling");

    let (finish, told_to_finish) = oneshot::channel();
    let calling = tokio::spawn(begin(stack.clone(), found.clone(), runner, async {
        let _ = told_to_finish.await;
    }));
    let background = async {
        let configure = |config: &UserClientConfig| configure(&stack, &config.live, &settings);
        let reload = async {
            match &args.config {
                Some(path) => live.follow(path, |config| args.amend(config), configure).await,
                None => std::future::pending().await,
            }
        };
        let report = async { if args.verbose || args.quiet { std::future::pending().await } else { reporter.run().await } };
        let certificates = OptionFuture::from(tls.as_ref().map(|tls| tls.follow()));
        tokio::join!(reload, report, follow(&stack, found.clone()), certificates);
    };
    let why = tokio::select! {
        why = stop => why,
        () = background => "the background tasks ended",
    };
    tracing::info!(why, "stopping");
    readiness.drain();
    let _ = finish.send(());
    let limit = settings.borrow().timeout.get();
    let (calls, ()) = tokio::join!(timeout(limit, calling), registration.leave());
    if calls.is_err() {
        tracing::warn!(?limit, "calls still in flight are cut off");
    }
    shut_down(exporter).await;
    tracing::info!("stopped");
    Ok(())
}

/// Starts to send spans to the collector, if the configuration names one.
fn exporter(config: &UserClientConfig, metrics: SpanMetrics) -> Result<Exporter, CollectorError> {
    let collector = collector::channel(&config.tracing)?;
    let instance = config.service.id.clone().unwrap_or_else(|| format!("{}-{}", hostname(), std::process::id()));
    Ok(Exporter::start(collector::export(collector, &config.tracing, &config.service, &instance), metrics)?)
}

/// Sends the last spans, beside the runtime: the connection to the collector needs it.
async fn shut_down(exporter: Exporter) {
    if let Err(error) = tokio::task::spawn_blocking(|| exporter.shut_down()).await {
        tracing::warn!(%error, "the last spans were not exported");
    }
}

/// What makes TLS connections, if the configuration asks for them; then there are `metrics`.
fn connector(config: &UserClientConfig, metrics: Option<TlsMetrics>) -> Result<Option<Arc<Connector>>, TlsError> {
    let Some(tls) = &config.tls else { return Ok(None) };
    Ok(Some(Arc::new(Connector::open(tls, metrics.expect("made where TLS is configured"))?)))
}

/// Waits for the first instance, so that a client started together with the service does not begin with errors, then calls.
async fn begin<S>(stack: ClientStack, mut found: watch::Receiver<Discovered>, runner: Runner<S>, finish: impl Future<Output = ()>)
where
    S: Service<Call<GetUserInfoRequest>, Response = GetUserInfoReply, Error = Error, Future: Send> + Clone + Send + 'static,
{
    let mut finish = std::pin::pin!(finish);
    tokio::select! {
        () = &mut finish => return,
        first = found.wait_for(|d| !d.instances.is_empty()) => if let Ok(found) = first {
            update(&stack, &found);
        }
    }
    runner.run(finish).await;
}

fn configure(stack: &ClientStack, live: &UserClientLive, settings: &watch::Sender<Arc<UserClientLive>>) {
    stack.configure(live);
    telemetry::set_level(live.log.level);
    settings.send_replace(Arc::new(live.clone()));
}

/// Gives the stack each new list of instances.
async fn follow(stack: &ClientStack, mut found: watch::Receiver<Discovered>) {
    let mut last = None;
    loop {
        let instances = Arc::clone(&found.borrow_and_update().instances);
        if last.as_ref().is_none_or(|last| !Arc::ptr_eq(last, &instances)) {
            update(stack, &found.borrow());
            last = Some(instances);
        }
        if found.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

fn update(stack: &ClientStack, found: &Discovered) {
    let endpoints: Vec<_> = found.instances.iter().map(|n| Endpoint { address: n.address.clone(), weight: n.weight }).collect();
    stack.nodes.update(&endpoints, Instant::now());
}

fn discovery_part(found: watch::Receiver<Discovered>) -> impl Fn() -> Part + Send + Sync {
    move || {
        let found = found.borrow();
        let known = found.instances.len();
        let message = match &found.problem {
            Some(problem) => format!("{known} instances; {problem}"),
            None if known == 0 => "no instance found yet".to_owned(),
            None => format!("{known} instances"),
        };
        let message = if found.invalid == 0 { message } else { format!("{message}; invalid entries left out: {}", found.invalid) };
        Part { name: "discovery", ok: known > 0 && found.problem.is_none(), required: false, message }
    }
}
