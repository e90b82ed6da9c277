//! The way to the API server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{InferConfigError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

/// An answer that takes longer than this will not come. Watches are kept alive by the server more often.
const READ_TIMEOUT: Duration = Duration::from_secs(330);

/// How the cluster is found.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct ClusterArgs {
    /// Kubeconfig file; absent, the service account of the pod, else what KUBECONFIG names, else ~/.kube/config
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Context in the kubeconfig; absent, its current one
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
}

/// Why there is no way to a cluster.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// A kubeconfig cannot be used.
    #[error("the kubeconfig cannot be used: {0}")]
    Kubeconfig(#[from] KubeconfigError),
    /// There is neither a service account nor a kubeconfig.
    #[error("no cluster found: {0}; name one with --kubeconfig")]
    Infer(#[from] InferConfigError),
    /// The client cannot be made.
    #[error("{0}")]
    Client(#[from] kube::Error),
}

/// A cluster, and whether this process runs in it.
#[derive(Debug, Clone)]
pub struct Cluster {
    config: Config,
    /// Whether this process is a pod of the cluster.
    pub inside: bool,
}

impl ClusterArgs {
    /// Finds the cluster.
    ///
    /// # Errors
    /// If a file that is named, or found, cannot be used, or nothing is found.
    pub async fn find(&self) -> Result<Cluster, ClusterError> {
        let options = KubeConfigOptions { context: self.context.clone(), ..KubeConfigOptions::default() };
        let from = async |path: &Path| Config::from_custom_kubeconfig(Kubeconfig::read_from(path)?, &options).await;
        let (mut config, inside) = match &self.kubeconfig {
            Some(path) => (from(path).await?, false),
            None if self.context.is_some() => (Config::from_kubeconfig(&options).await?, false),
            None => match Config::incluster() {
                Ok(config) => (config, true),
                Err(_) => (Config::infer().await?, false),
            },
        };
        config.read_timeout = Some(READ_TIMEOUT);
        Ok(Cluster { config, inside })
    }
}

impl Cluster {
    /// A client for it.
    ///
    /// # Errors
    /// If certificates or keys cannot be used.
    pub fn client(&self) -> Result<Client, ClusterError> {
        Ok(Client::try_from(self.config.clone())?)
    }

    /// A client whose requests end, well or not, within `limit`.
    ///
    /// # Errors
    /// If certificates or keys cannot be used.
    pub fn hasty_client(&self, limit: Duration) -> Result<Client, ClusterError> {
        let mut config = self.config.clone();
        for timeout in [&mut config.connect_timeout, &mut config.read_timeout, &mut config.write_timeout] {
            *timeout = Some(limit);
        }
        Ok(Client::try_from(config)?)
    }

    /// How it is reached.
    pub fn into_config(self) -> Config {
        self.config
    }

    /// URL of the API server.
    pub fn url(&self) -> String {
        self.config.cluster_url.to_string().trim_end_matches('/').to_owned()
    }

    /// The namespace that the kubeconfig or service account names.
    pub fn namespace(&self) -> &str {
        &self.config.default_namespace
    }
}
