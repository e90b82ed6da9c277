//! `user-info-operator run`: the process around the controller.

use std::fmt::Display;
use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use kube::{Client, Resource};
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use user_info_api::Exit;
use user_info_api::crd::UserInfoDeployment;

use crate::access::Access;
use crate::args::{EXIT_UNAVAILABLE, EXIT_USAGE, RunArgs};
use crate::cluster::Cluster;
use crate::controller::{self, ControllerSettings};
use crate::discovery;
use crate::health::{self, Phase};
use crate::helm::Helm;
use crate::helm::chart::Embedded;
use crate::helm::exec::Program;
use crate::helm::kubeconfig::Way;
use crate::leader::{Leadership, Lease};
use crate::metrics::Metrics;
use crate::roles::Roles;
use crate::telemetry;

/// The lease was lost: a new process begins with a clean slate.
const EXIT_LOST: u8 = Exit::LeaseLost.code();
/// Longest wait for a request about the lease: one that takes longer must not outlast the lease.
const LEASE_TIMEOUT: Duration = Duration::from_secs(4);

/// Runs until it is told to stop, or the lease is lost.
pub async fn run(args: RunArgs) -> ExitCode {
    telemetry::init(&args);
    let registry = Registry::new();
    let metrics = match Metrics::new(&registry) {
        Ok(metrics) => Arc::new(metrics),
        Err(error) => return fail(EXIT_USAGE, &error),
    };
    let cluster = match args.cluster.find().await {
        Ok(cluster) => cluster,
        Err(error) => return fail(EXIT_USAGE, &error),
    };
    let client = match cluster.client() {
        Ok(client) => client,
        Err(error) => return fail(EXIT_USAGE, &error),
    };
    let listener = match TcpListener::bind(args.listen).await {
        Ok(listener) => listener,
        Err(error) => return fail(EXIT_UNAVAILABLE, &format!("--listen {}: {error}", args.listen)),
    };
    let phase = watch::Sender::new(Phase::Waiting);
    let (stopping, stop) = watch::channel(false);
    let serving = tokio::spawn(health::serve(listener, phase.subscribe(), registry, told(stop.clone())));
    let signals = async {
        tokio::select! { () = signalled(SignalKind::terminate()) => {}, () = signalled(SignalKind::interrupt()) => {} }
    };
    let work = work(&args, &cluster, client, metrics, &phase, stop);
    tokio::pin!(work);
    let outcome = tokio::select! {
        outcome = &mut work => outcome,
        () = signals => {
            tracing::info!("stopping");
            phase.send_replace(Phase::Stopping);
            stopping.send_replace(true);
            work.await
        }
    };
    stopping.send_replace(true);
    let _ = serving.await;
    outcome.map_or_else(|(code, error)| fail(code, &error), |()| ExitCode::SUCCESS)
}

/// All there is to do until `stop`.
async fn work(
    args: &RunArgs,
    cluster: &Cluster,
    client: Client,
    metrics: Arc<Metrics>,
    phase: &watch::Sender<Phase>,
    stop: watch::Receiver<bool>,
) -> Result<(), (u8, String)> {
    let missing = |error: Option<kube::Error>| {
        metrics.crd_missing.set(1);
        match error {
            Some(error) => tracing::warn!(%error, "the API server cannot be asked for the custom resource definition"),
            None => tracing::warn!("the cluster lacks the custom resource definition; `user-info-operator crd` prints it"),
        }
    };
    let group_version = UserInfoDeployment::api_version(&());
    let kind = UserInfoDeployment::kind(&());
    tokio::select! {
        () = discovery::wait_for(&client, &group_version, &kind, missing) => metrics.crd_missing.set(0),
        () = told(stop.clone()) => return Ok(()),
    }
    let identity = args.identity.clone().unwrap_or_else(identity);
    let settings = ControllerSettings {
        namespaces: args.namespaces.clone(),
        concurrency: args.concurrency.into(),
        debounce: args.debounce,
        access: if cluster.inside { Access::direct() } else { Access::Proxy },
        identity: identity.clone(),
        roles: args.cluster_roles.clone().map_or(Roles::Namespace, Roles::Cluster),
        helm: helm(args, cluster)?,
    };
    if !args.leader_election {
        return lead(client, metrics, settings, phase, told(stop)).await;
    }
    let lease = Lease {
        namespace: args.lease_namespace.clone().unwrap_or_else(|| cluster.namespace().to_owned()),
        name: args.lease_name.clone(),
        identity,
    };
    let hasty = cluster.hasty_client(LEASE_TIMEOUT).map_err(|error| (EXIT_USAGE, error.to_string()))?;
    elect(hasty, &lease, client, metrics, settings, phase, stop).await
}

/// Helm as the command line has it.
fn helm(args: &RunArgs, cluster: &Cluster) -> Result<Helm, (u8, String)> {
    let charts = Embedded::read(&args.charts).map_err(|error| (EXIT_USAGE, format!("--charts: {error}")))?;
    let way = if cluster.inside { Way::Pod(cluster.url()) } else { Way::Kubeconfig(args.cluster.clone()) };
    let itself = std::env::current_exe().map_err(|error| (EXIT_USAGE, format!("the path of this program: {error}")))?;
    let guard = [itself.into(), "guard".into(), std::process::id().to_string().into(), "--".into()];
    Ok(Helm {
        program: Program { helm: args.helm.clone(), guard: guard.into(), way, work: std::env::temp_dir() },
        charts: Arc::new(charts),
        foreign: args.foreign_charts,
        concurrency: args.helm_concurrency.into(),
        metrics_address: args.metrics_address.clone(),
    })
}

/// Waits for the lease, leads as long as it is held, and gives it back when all is ended.
async fn elect(
    hasty: Client,
    lease: &Lease,
    client: Client,
    metrics: Arc<Metrics>,
    settings: ControllerSettings,
    phase: &watch::Sender<Phase>,
    stop: watch::Receiver<bool>,
) -> Result<(), (u8, String)> {
    let refused =
        |error: kube_lease_manager::LeaseManagerError| (EXIT_UNAVAILABLE, format!("lease {}/{}: {error}", lease.namespace, lease.name));
    let leadership = Leadership::new(hasty, client.clone(), lease.clone()).await.map_err(refused)?;
    phase.send_replace(Phase::Standby);
    tracing::info!(identity = lease.identity, namespace = lease.namespace, lease = lease.name, "standing by");
    let leads = watch::Sender::new(false);
    let mut leader = leads.subscribe();
    let (ended, done) = watch::channel(false);
    let keeping = tokio::spawn(leadership.keep(leads, told(done)));
    let elected = tokio::select! {
        elected = leader.wait_for(|leads| *leads) => elected.is_ok(),
        () = told(stop.clone()) => false,
    };
    let mut outcome = Ok(());
    if elected {
        let flag = stop.clone();
        let until = async move {
            tokio::select! {
                _ = leader.wait_for(|leads| !*leads) => {}
                () = told(flag) => {}
            }
        };
        outcome = lead(client, metrics, settings, phase, until).await;
    }
    if outcome.is_ok() && !*stop.borrow() {
        outcome = Err((EXIT_LOST, "the lease was lost; another process may lead by now".to_owned()));
    }
    ended.send_replace(true);
    let _ = keeping.await;
    outcome
}

async fn lead(
    client: Client,
    metrics: Arc<Metrics>,
    settings: ControllerSettings,
    phase: &watch::Sender<Phase>,
    until: impl Future<Output = ()> + Send + Sync + 'static,
) -> Result<(), (u8, String)> {
    phase.send_if_modified(|phase| {
        let begins = *phase != Phase::Stopping;
        if begins {
            *phase = Phase::Leading;
        }
        begins
    });
    metrics.leader.set(1);
    tracing::info!("leading");
    controller::run(client, Arc::clone(&metrics), settings, until).await;
    metrics.leader.set(0);
    Ok(())
}

/// Waits until the flag is set, or nobody can set it any more.
async fn told(mut flag: watch::Receiver<bool>) {
    let _ = flag.wait_for(|set| *set).await;
}

async fn signalled(kind: SignalKind) {
    match signal(kind) {
        Ok(mut signal) => {
            signal.recv().await;
        }
        Err(error) => {
            tracing::error!(%error, "signals cannot be listened to");
            std::future::pending::<()>().await;
        }
    }
}

fn identity() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}-{}", host.trim(), std::process::id())
}

fn fail(code: u8, error: &dyn Display) -> ExitCode {
    eprintln!("user-info-operator: {error}");
    ExitCode::from(code)
}
