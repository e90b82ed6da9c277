//! Uniformly random picks.

use fastrand::Rng;
use tokio::time::Instant;

use super::{Picker, Rotation};

/// Picks any node, each as likely; weights do not matter, as in Kratos.
#[derive(Debug, Clone, Copy, Default)]
pub struct Random;

impl<C> Picker<C> for Random {
    fn pick(&self, rotation: &Rotation<C>, _: Instant, rng: &mut Rng) -> usize {
        rng.usize(..rotation.nodes.len())
    }
}
