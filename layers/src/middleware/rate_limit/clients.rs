//! A token bucket for each caller, of a bounded number of callers.

use std::collections::HashMap;
use std::sync::PoisonError;

use tokio::time::Instant;

use super::{Gcra, Scope, TokenBucket};
use crate::sync::RwLock;

/// Callers with a bucket of their own; all others share one, so that no caller can fill the memory by changing its name.
const MOST: usize = 1024;

/// Buckets by caller.
#[derive(Debug)]
pub(super) struct Clients {
    rate: u32,
    burst: u32,
    each: bool,
    /// The configured callers, and (scope `Client`) those seen so far.
    buckets: RwLock<HashMap<Box<str>, Gcra>>,
    others: Gcra,
}

impl Clients {
    pub(super) fn new(settings: &TokenBucket) -> Self {
        let bucket = |rate| Gcra::new(rate, settings.burst);
        let configured = settings.overrides.iter().map(|o| (o.caller.clone().into_boxed_str(), bucket(o.requests_per_second)));
        Self {
            rate: settings.requests_per_second,
            burst: settings.burst,
            each: settings.scope == Scope::Client,
            buckets: RwLock::new(configured.collect()),
            others: bucket(settings.requests_per_second),
        }
    }

    /// Takes a token from `caller`'s bucket, if there is one, for a call `received` then.
    pub(super) fn allow(&self, caller: &str, received: Instant) -> bool {
        if let Some(bucket) = self.buckets.read().unwrap_or_else(PoisonError::into_inner).get(caller) {
            return bucket.admit(received, Instant::now);
        }
        if !self.each || caller.is_empty() {
            return self.others.admit(received, Instant::now);
        }
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= MOST && !buckets.contains_key(caller) {
            return self.others.admit(received, Instant::now);
        }
        buckets.entry(caller.into()).or_insert_with(|| Gcra::new(self.rate, self.burst)).admit(received, Instant::now)
    }
}
