//! The better of two random nodes, as in Kratos.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use super::{Picker, Rotation};

/// A node that was not picked for this long gets the next call it is drawn for, so that its figures do not go stale.
const FORCE_AFTER: Duration = Duration::from_secs(3);

/// Draws two nodes and picks the one with the better score of latency, success and calls in flight.
///
/// Weights of the registry do not matter, as in Kratos 2.9 (`selector/p2c`). Constant time. Source of the idea: Mitzenmacher, "The power
/// of two choices in randomized load balancing".
#[derive(Debug, Clone, Copy, Default)]
pub struct P2c;

impl<C> Picker<C> for P2c {
    fn pick(&self, rotation: &Rotation<C>, now: Instant, rng: &mut Rng) -> usize {
        let nodes = &rotation.nodes;
        if nodes.len() < 2 {
            return 0;
        }
        let a = rng.usize(..nodes.len());
        let b = (a + rng.usize(1..nodes.len())) % nodes.len();
        let (better, other) = if nodes[a].score(now) < nodes[b].score(now) { (b, a) } else { (a, b) };
        if nodes[other].claim_if_idle_for(FORCE_AFTER, now) { other } else { better }
    }
}
