//! Smooth weighted round-robin, the algorithm of nginx and Kratos.

use std::sync::{Arc, Mutex, PoisonError};

use fastrand::Rng;
use tokio::time::Instant;

use super::{Node, Picker};

/// Gives each node its weight's share of the calls, spread evenly: weights 3, 2, 1 give A B A C B A.
///
/// Every node gains its weight in credit; the one with the most credit (the first of equals) is picked and pays the sum of all weights.
/// Linear in the number of nodes, without allocation. The credits stand in the nodes, so a discovery update does not lose them.
#[derive(Debug, Default)]
pub struct WeightedRoundRobin {
    turn: Mutex<()>,
}

impl<L> Picker<L> for WeightedRoundRobin {
    fn pick(&self, nodes: &[Arc<Node<L>>], _: Instant, _: &mut Rng) -> usize {
        // A panic cannot leave the unit value broken.
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut total, mut best, mut most) = (0, 0, i64::MIN);
        for (i, node) in nodes.iter().enumerate() {
            let weight = i64::from(node.weight());
            let credit = node.add_credit(weight);
            total += weight;
            if credit > most {
                (best, most) = (i, credit);
            }
        }
        nodes[best].add_credit(-total);
        best
    }
}

/// Limits the credits of a new rotation to what they can reach within it, so that a credit saved up among other nodes or under other
/// weights does not give one node a long run of calls.
pub(super) fn settle<L>(nodes: &[Arc<Node<L>>]) {
    let total: i64 = nodes.iter().map(|n| i64::from(n.weight())).sum();
    for node in nodes {
        node.clamp_credit(total);
    }
}
