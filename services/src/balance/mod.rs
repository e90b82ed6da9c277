//! Which instance gets the next call: pickers over nodes whose state outlives discovery updates.
//!
//! A [`Node`] is one instance, known by its address: its weight, how it did of late, and the [`Link`] to it. The [`NodeSet`] holds all
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
mod wrr;

use fastrand::Rng;
use tokio::time::Instant;
use user_info_api::config::LoadBalancing;

pub use meter::InstanceMetrics;
pub use node::{Flight, Link, LinkState, Node, Verdict};
pub use p2c::P2c;
pub use random::Random;
pub use retry::RetryBudget;
pub use service::{Balance, Failure, Transport};
pub use set::{Instance, NodeSet, Rotation, Staleness};
pub use wrr::WeightedRoundRobin;

/// Chooses among nodes.
pub trait Picker<L>: Send + Sync + 'static {
    /// Index of the chosen node. The rotation is not empty, and all of it may be called.
    fn pick(&self, rotation: &Rotation<L>, now: Instant, rng: &mut Rng) -> usize;
}

/// The picker that a setting names.
pub fn picker<L: Link>(setting: LoadBalancing) -> Box<dyn Picker<L>> {
    match setting {
        LoadBalancing::WeightedRoundRobin => Box::new(WeightedRoundRobin::default()),
        LoadBalancing::P2C => Box::new(P2c),
        LoadBalancing::Random => Box::new(Random),
    }
}

#[cfg(test)]
mod tests;
