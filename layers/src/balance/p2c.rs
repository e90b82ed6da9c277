//! The better of two random nodes, mostly: as in Kratos, but so that nodes that do alike get alike.

use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;

use super::{Picker, Rotation};

/// A node that was not picked for this long gets the next call it is drawn for, so that its figures do not go stale.
const FORCE_AFTER: Duration = Duration::from_secs(3);

/// Draws two nodes and takes one of them, by what a call to each costs in latency, failures and calls in flight.
///
/// The odds are those of the squares of the costs. So a node that is twice as dear gets one call of five where it is drawn, and one that is
/// dearer by a few percent nearly half: to take the cheaper always, as Kratos does, starves a node for the smallest difference, since the
/// averages of one that is not called stay as they are. Weights of the registry do not matter, as in Kratos 2.9 (`selector/p2c`). Constant
/// time. Source of the idea: Mitzenmacher, "The power of two choices in randomized load balancing".
#[derive(Debug, Clone, Copy, Default)]
pub struct P2c;

impl<C> Picker<C> for P2c {
    fn pick(&self, rotation: &Rotation<C>, now: Instant, rng: &mut Rng) -> usize {
        let nodes = &rotation.nodes;
        if nodes.len() < 2 {
            return 0;
        }
        let a = rng.usize(..nodes.len());
        let b = rng.usize(..nodes.len() - 1);
        let b = b + usize::from(b >= a);
        let square = |x: f64| x * x;
        let (cost_a, cost_b) = (square(nodes[a].cost(now)), square(nodes[b].cost(now)));
        let (taken, other) = if rng.f64() * (cost_a + cost_b) < cost_b { (a, b) } else { (b, a) };
        if nodes[other].claim_if_idle_for(FORCE_AFTER, now) { other } else { taken }
    }
}
