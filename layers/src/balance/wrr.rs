//! Smooth weighted round-robin, the algorithm of nginx and Kratos.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use fastrand::Rng;
use tokio::time::Instant;

use super::{Picker, Rotation};

/// Gives each node its weight's share of the calls, spread evenly: weights 3, 2, 1 give A B A C B A.
///
/// The turns are worked out once a rotation, so a pick takes constant time and no lock. A rotation that changes goes on at the turn where
/// the one before stood, so that changes favour no node.
#[derive(Debug, Default)]
pub struct WeightedRoundRobin {
    turn: AtomicUsize,
}

impl<C> Picker<C> for WeightedRoundRobin {
    fn pick(&self, rotation: &Rotation<C>, _: Instant, _: &mut Rng) -> usize {
        let turns = rotation.turns();
        turns[self.turn.fetch_add(1, Relaxed) % turns.len()]
    }
}
