//! The instances of a service as they are known now.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use user_info_api::config::Service;

use super::metrics::DiscoveryMetrics;

/// One instance that can be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveredInstance {
    /// Identity in the registry; the address where there is none.
    pub id: String,
    /// gRPC address, `host:port`.
    pub address: String,
    /// Version; may be empty.
    pub version: String,
    /// Share of calls under weighted round-robin, 1 to 10000.
    pub weight: u32,
    /// Metadata from the registry.
    pub metadata: BTreeMap<String, String>,
}

impl DiscoveredInstance {
    /// An instance of which only the address is known.
    pub fn at(address: String) -> Self {
        Self { id: address.clone(), address, version: String::new(), weight: Service::DEFAULT_WEIGHT, metadata: BTreeMap::new() }
    }
}

/// Why the list may be out of date.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The registry knows no instance that is well and can be called; the last list stays in use, as in Kratos.
    Empty,
    /// The registry could not be asked.
    Failed(String),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the registry knows no instance that is well and can be called"),
            Self::Failed(error) => f.write_str(error),
        }
    }
}

/// The list of instances in use, and how far it can be trusted.
#[derive(Debug, Clone, Default)]
pub struct Discovered {
    /// The instances, one an address, ordered by address. The same `Arc` as before as long as nothing changes.
    pub instances: Arc<Vec<DiscoveredInstance>>,
    /// When the list was last confirmed; none before the first answer. Moves without waking receivers.
    pub updated: Option<Instant>,
    /// Why the list may be out of date, if so.
    pub problem: Option<Problem>,
    /// Entries of the last answer that are left out since nobody can call them.
    pub invalid: usize,
}

impl Discovered {
    /// Time since the list was last confirmed.
    pub fn age(&self, now: Instant) -> Option<Duration> {
        self.updated.map(|updated| now.saturating_duration_since(updated))
    }
}

/// The writing end: keeps the last list whenever a new one would be empty or cannot be had.
#[derive(Debug)]
pub(super) struct Publisher {
    service: String,
    sender: watch::Sender<Discovered>,
    metrics: DiscoveryMetrics,
}

impl Publisher {
    pub(super) fn new(service: &str, metrics: DiscoveryMetrics) -> (Self, watch::Receiver<Discovered>) {
        let (sender, receiver) = watch::channel(Discovered::default());
        (Self { service: service.to_owned(), sender, metrics }, receiver)
    }

    /// Ends when nobody listens any more.
    pub(super) async fn closed(&self) {
        self.sender.closed().await;
    }

    /// Takes in what the registry said: `instances`, and how many entries are `invalid`. Wakes receivers if instances changed, the number of
    /// invalid entries, or whether there is a problem.
    pub(super) fn found(&self, instances: Vec<DiscoveredInstance>, invalid: usize) {
        self.metrics.invalid.set(i64::try_from(invalid).unwrap_or(i64::MAX));
        self.sender.send_if_modified(|known| std::mem::replace(&mut known.invalid, invalid) != invalid);
        let instances = one_an_address(instances);
        if instances.is_empty() {
            return self.problem(Problem::Empty);
        }
        let now = Instant::now();
        self.metrics.age.confirm(now);
        self.metrics.instances.set(i64::try_from(instances.len()).unwrap_or(i64::MAX));
        self.sender.send_if_modified(|known| {
            known.updated = Some(now);
            let recovered = known.problem.take().is_some();
            let changed = *known.instances != instances;
            if changed {
                let addresses: Vec<_> = instances.iter().map(|i| i.address.as_str()).collect();
                tracing::info!(service = self.service, ?addresses, "instances changed");
                known.instances = Arc::new(instances);
            }
            changed || recovered
        });
    }

    /// Takes in that the registry could not be asked.
    pub(super) fn failed(&self, error: &dyn fmt::Display) {
        self.metrics.failures.inc();
        self.problem(Problem::Failed(error.to_string()));
    }

    fn problem(&self, problem: Problem) {
        self.sender.send_if_modified(|known| {
            if known.problem.as_ref() == Some(&problem) {
                return false;
            }
            let kept = known.instances.len();
            tracing::warn!(service = self.service, kept, %problem, "instances not updated");
            known.problem = Some(problem);
            true
        });
    }
}

/// Keeps the first instance of each address and orders them by it.
fn one_an_address(mut instances: Vec<DiscoveredInstance>) -> Vec<DiscoveredInstance> {
    instances.sort_by(|a, b| a.address.cmp(&b.address));
    instances.dedup_by(|later, first| later.address == first.address);
    instances
}

#[cfg(test)]
mod tests;
