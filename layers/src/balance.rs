//! Which instance gets the next call: pickers over nodes whose state outlives discovery updates.
//!
//! A [`Node`] is one instance, known by its address: its weight, how it did of late, and the [`Connection`] to it. The [`NodeSet`] holds all
//! that discovery knows and keeps a rotation of those that can be called. A [`Picker`] chooses one of the rotation; [`Balance`] is the
//! service that picks, sends, and picks again if the call was not begun or may be retried.

mod eject;
mod ewma;
mod meter;
mod node;
mod p2c;
mod random;
mod retry;
mod service;
mod set;
mod settings;
mod turns;
mod wrr;

use std::sync::Arc;

use fastrand::Rng;
use tokio::time::Instant;

pub use meter::InstanceMetrics;
pub use node::{CallOutcome, Connection, ConnectionState, InFlight, Node};
pub use p2c::P2c;
pub use random::Random;
pub use retry::RetryBudget;
pub use service::{Balance, Failure, Transport};
pub use set::{Endpoint, NodeSet, Rotation, Staleness};
pub use settings::{LoadBalancing, OutlierEjection, Retries};
pub use wrr::WeightedRoundRobin;

/// Chooses among nodes.
pub trait Picker<C>: Send + Sync + 'static {
    /// Index of the chosen node. The rotation is not empty, and all of it may be called.
    fn pick(&self, rotation: &Rotation<C>, now: Instant, rng: &mut Rng) -> usize;
}

/// The picker that a setting names.
pub fn picker<C: Connection>(setting: LoadBalancing) -> Arc<dyn Picker<C>> {
    match setting {
        LoadBalancing::WeightedRoundRobin => Arc::new(WeightedRoundRobin::default()),
        LoadBalancing::P2C => Arc::new(P2c),
        LoadBalancing::Random => Arc::new(Random),
    }
}

#[cfg(test)]
mod races;
#[cfg(test)]
mod tests;
