//! Uniformly random picks.

use std::sync::Arc;

use fastrand::Rng;
use tokio::time::Instant;

use super::{Node, Picker};

/// Picks any node, each as likely; weights do not matter, as in Kratos.
#[derive(Debug, Clone, Copy, Default)]
pub struct Random;

impl<L> Picker<L> for Random {
    fn pick(&self, nodes: &[Arc<Node<L>>], _: Instant, rng: &mut Rng) -> usize {
        rng.usize(..nodes.len())
    }
}
