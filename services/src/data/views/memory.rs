//! The sample users' page views, in memory.

use std::collections::HashMap;
use std::sync::Arc;

use crate::data::sample::SAMPLES;

/// Page views that never change.
#[derive(Debug, Clone)]
pub(super) struct MemoryViews(Arc<HashMap<i64, i64>>);

impl MemoryViews {
    pub(super) fn new() -> Self {
        Self(Arc::new(SAMPLES.iter().map(|s| (s.id, s.visits)).collect()))
    }

    pub(super) fn get(&self, id: i64) -> i64 {
        self.0.get(&id).copied().unwrap_or(0)
    }
}
