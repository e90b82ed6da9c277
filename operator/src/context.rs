//! What all reconciles share.

use std::sync::Arc;

use futures_util::future::{BoxFuture, Shared};
use kube::Client;
use kube::runtime::events::Recorder;
use tokio::sync::{Mutex, Semaphore};

use crate::access::Access;
use crate::children::Children;
use crate::discovery::Optional;
use crate::helm::Helm;
use crate::helm::runner::Runner;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::roles::Roles;

/// What all reconciles share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What is there of that which was made.
    pub children: Arc<Children>,
    /// What is there of that which Helm made.
    pub released: Arc<Children>,
    /// Helm, and the charts.
    pub helm: Helm,
    /// Calls Helm.
    pub runner: Runner,
    /// What is remembered of resources.
    pub memory: Memory,
    /// Writes Events.
    pub recorder: Recorder,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// Bounds the reconciles that run at a time.
    pub turns: Semaphore,
    /// Comes when no further reconcile is to begin.
    pub stop: Shared<BoxFuture<'static, ()>>,
    /// Whether the cluster knows `ServiceMonitor`.
    pub service_monitors: Optional,
    /// Where the roles are that the operator binds.
    pub roles: Roles,
    /// Held while the account of a namespace is made, or removed with the last finalizer.
    pub accounts: Mutex<()>,
    /// How pods are asked for the configuration in force.
    pub access: Access,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").finish_non_exhaustive()
    }
}
