//! What the command line says.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};
use user_info_api::Exit;

use crate::cluster::ClusterArgs;

/// Exit status of a command line, a manifest or a kubeconfig that cannot be used.
pub const EXIT_USAGE: u8 = Exit::Usage.code();
/// Exit status if something is missing that may come, such as a port or the cluster.
pub const EXIT_UNAVAILABLE: u8 = Exit::Unavailable.code();

const EXAMPLES: &str = "\
Examples:
  user-info-operator check manifests/samples/*.yaml                     say what is wrong with files, without a cluster
  user-info-operator check --diff manifests/samples/quickstart.yaml     say what one would change in the cluster
  user-info-operator crd | kubectl apply --server-side -f -             bring the resource's definition into a cluster
  user-info-operator run --namespace demo --leader-election=false       reconcile one namespace from this machine";

/// Runs the user-info system in Kubernetes from one `UserInfoDeployment`.
#[derive(Debug, Parser)]
#[command(name = "user-info-operator", version, arg_required_else_help = true, after_help = EXAMPLES)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Reconciles every UserInfoDeployment until it is stopped
    #[command(after_long_help = RUN_HELP)]
    Run(Box<RunArgs>),
    /// Prints the custom resource definition as YAML
    Crd,
    /// Runs a program that ends with the process that started it
    #[command(hide = true)]
    Guard(GuardArgs),
    /// Says what is wrong with manifests, without a cluster; with --diff, also what they would change in one
    #[command(after_help = "Exit status: 0 if every manifest can be used, 64 if one cannot, 69 if the cluster cannot be asked.")]
    Check(CheckArgs),
}

const RUN_HELP: &str = "\
Endpoints on --listen:
  /healthz  200 while the process lives, whatever it waits for
  /readyz   200 if it leads or stands by to take over; 503 while the custom resource definition is missing, or it stops
  /metrics  for Prometheus; names begin with user_info_operator_

It waits for a missing custom resource definition. SIGTERM and SIGINT end it: reconciles that run are ended, and the lease is given back.
Let the pod have terminationGracePeriodSeconds of 75 or more: a reconcile takes 60 s at the longest.

Helm runs as the ServiceAccount user-info-charts of the resource's namespace, by impersonation, and never with the rights below. With
--cluster-roles the operator makes that account and binds it to the ClusterRole NAME-charts; without, each namespace has to have the account, bound
to a role that lets it do what charts take, and a Role user-info-pods that lists and watches pods. The operator's chart makes all of it; to make it by
hand for the namespace demo:
  helm template charts/user-info-operator --set watchNamespaces={demo} --show-only templates/role-charts.yaml | kubectl apply -f -

Rights it needs, in each namespace it looks after, or cluster-wide without --namespace:
  userinfo.bbs.dev       userinfodeployments                   get list watch patch
                         userinfodeployments/status            patch
                         userinfodeployments/finalizers        update (only where owner references are checked, as on OpenShift)
  (core)                 namespaces                            get (to run no Helm in one that is being deleted)
                         serviceaccounts configmaps services   get list watch create patch delete
                         serviceaccounts/user-info-charts      impersonate (Helm)
                         secrets                               get list watch (Helm's releases; what objects name)
                         pods                                  get list patch
                         persistentvolumeclaims                get list delete
                         pods/proxy                            get (only when run outside the cluster)
  apps                   deployments                           get list watch create patch delete
                         statefulsets                          list watch
  batch                  jobs                                  get list watch create patch delete
  rbac.authorization.k8s.io  rolebindings                      get list watch create patch delete
                         roles                                 get delete (one that version 0.1.0 had a chart make)
                         clusterroles/NAME-charts, NAME-pods   bind; without --cluster-roles, of roles/user-info-pods
  networking.k8s.io      networkpolicies                       get list watch create patch delete
  policy                 poddisruptionbudgets                  get list watch create patch delete
  autoscaling            horizontalpodautoscalers              get list watch create patch delete
  monitoring.coreos.com  servicemonitors                       get list watch create patch delete
  events.k8s.io          events                                create patch
In the lease's namespace:
  coordination.k8s.io    leases                                get list watch create patch

Inside a cluster, pods are asked for /config at their own addresses. With spec.networkPolicy.enabled they let in pods with the label
app.kubernetes.io/name=user-info-operator, so the operator's pod should have it.

Exit status: 0 stopped as told; 64 the command line or kubeconfig cannot be used; 69 the port is taken; 70 the lease was lost.";

/// How to run.
#[derive(Debug, clap::Args)]
pub struct RunArgs {
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Namespace to look after, can be given several times or with commas between; absent, all
    #[arg(short, long = "namespace", env = "WATCH_NAMESPACE", value_name = "NAME", value_delimiter = ',')]
    pub namespaces: Vec<String>,
    /// Where /metrics, /healthz and /readyz are served
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080", value_parser = user_info_api::address::listen)]
    pub listen: SocketAddr,
    /// Whether only the process that holds a lease works: true, or false for a single process
    #[arg(long, value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub leader_election: bool,
    /// Namespace of the lease; absent, the pod's own, or the one of the kubeconfig's context
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME")]
    pub lease_namespace: Option<String>,
    /// Name of the lease
    #[arg(long, value_name = "NAME", default_value = "user-info-operator")]
    pub lease_name: String,
    /// Name of this process in the lease and in Events; absent, the host's name and the process id
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub identity: Option<String>,
    /// Reconciles at a time, 1 to 64
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub concurrency: u8,
    /// How long a change waits for further ones to be taken together, such as 50ms
    #[arg(long, value_name = "DURATION", default_value = "50ms", value_parser = humantime::parse_duration)]
    pub debounce: Duration,
    /// Path of Helm 4
    #[arg(long, env = "HELM_PROGRAM", value_name = "FILE", default_value = "helm")]
    pub helm: PathBuf,
    /// Folder of the charts that come with the operator: consul, grafana, mysql, prometheus and redis
    #[arg(long, env = "CHARTS", value_name = "DIR", default_value = "/usr/local/share/user-info-operator/charts")]
    pub charts: PathBuf,
    /// Releases that Helm works on at a time, 1 to 16; each takes some 60 MB
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    pub helm_concurrency: u8,
    /// Whether charts from elsewhere, `chart.source: Repository` or `OCI`, are installed: true or false
    #[arg(long, env = "FOREIGN_CHARTS", value_name = "BOOL", default_value_t = false, action = clap::ArgAction::Set)]
    pub foreign_charts: bool,
    /// What the names of the cluster roles begin with that are bound in each namespace, NAME-charts and NAME-pods; absent, each namespace has
    /// roles of its own, see below
    #[arg(long, env = "CLUSTER_ROLES", value_name = "NAME")]
    pub cluster_roles: Option<String>,
    /// `host:port` at which a Prometheus that is installed finds the metrics of this process; absent, it does not look for them
    #[arg(long, env = "METRICS_ADDRESS", value_name = "ADDRESS")]
    pub metrics_address: Option<String>,
    /// What is logged: a level, or levels by module such as info,kube=debug
    #[arg(long, env = "RUST_LOG", value_name = "FILTER", default_value = "info,kube_runtime=warn")]
    pub log: String,
    /// Log what is done in detail; short for --log debug,kube=info,hyper=info
    #[arg(short, long, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Log only what goes wrong; short for --log warn
    #[arg(short, long)]
    pub quiet: bool,
    /// How log lines look
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
}

impl RunArgs {
    /// What is logged.
    pub fn filter(&self) -> &str {
        match (self.verbose, self.quiet) {
            (true, _) => "debug,kube=info,hyper=info",
            (_, true) => "warn",
            _ => &self.log,
        }
    }
}

/// What to run, and under whom.
#[derive(Debug, clap::Args)]
pub struct GuardArgs {
    /// Process id of whoever starts this
    pub parent: i32,
    /// The program, and its arguments
    #[arg(last = true, required = true)]
    pub command: Vec<std::ffi::OsString>,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people
    #[default]
    Text,
    /// One JSON object a line
    Json,
}

/// What to check, and how to say what was found.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// Manifests with one resource each, in YAML or JSON; `-` is the standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Also ask a cluster what the manifests would change there; nothing is changed
    #[arg(long)]
    pub diff: bool,
    /// Namespace of manifests that name none; absent, the one of the kubeconfig's context
    #[arg(short, long, value_name = "NAME", requires = "diff")]
    pub namespace: Option<String>,
    /// The cluster.
    #[command(flatten)]
    pub cluster: ClusterArgs,
    /// Form of the output
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
    /// Say nothing of files that can be used
    #[arg(short, long)]
    pub quiet: bool,
}

/// Form of the output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A line for each problem: `FILE:LINE: FIELD: MESSAGE`
    #[default]
    Text,
    /// A list of files, each with its problems
    Json,
}
