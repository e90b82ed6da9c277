//! Callers that call one service at random times, each through a breaker of its own, in virtual time.

use std::collections::BTreeMap;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, advance};

use crate::breakers::Rule;

/// What a service answers to a call: after so many seconds, and whether well.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reply {
    pub(crate) after: f64,
    pub(crate) success: bool,
}

/// What was seen in a tenth of a second.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Tenth {
    pub(crate) offered: u32,
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    /// Whether all breakers were closed at its end.
    pub(crate) closed: bool,
}

/// Callers, and replies on their way to them.
pub(crate) struct World {
    callers: Vec<Box<dyn Rule>>,
    rng: Rng,
    replies: BTreeMap<(Instant, u64), (usize, u64, bool)>,
    number: u64,
}

impl World {
    pub(crate) fn new(callers: Vec<Box<dyn Rule>>, seed: u64) -> Self {
        fastrand::seed(seed);
        Self { callers, rng: Rng::with_seed(seed), replies: BTreeMap::new(), number: 0 }
    }

    /// Makes calls at `rate` a second, over all callers, for so many seconds. The service is told the second since they began.
    pub(crate) async fn run(&mut self, rate: f64, seconds: f64, mut service: impl FnMut(f64, &mut Rng) -> Reply) -> Vec<Tenth> {
        let begun = Instant::now();
        let (mut at, mut tenths) = (begun, Vec::new());
        for tenth in 1..=(seconds * 10.0).round() as u32 {
            let end = begun + tenth * Duration::from_millis(100);
            let mut seen = Tenth::default();
            loop {
                at += Duration::from_secs_f64(-(1.0 - self.rng.f64()).ln() / rate);
                self.reply_until(at.min(end)).await;
                if at > end {
                    // Times between calls have no memory: the next begins anew.
                    at = end;
                    break;
                }
                seen.offered += 1;
                let caller = self.rng.usize(..self.callers.len());
                let Some(ticket) = self.callers[caller].admit(at) else { continue };
                let reply = service((at - begun).as_secs_f64(), &mut self.rng);
                seen.passed += 1;
                seen.failed += u32::from(!reply.success);
                self.number += 1;
                self.replies.insert((at + Duration::from_secs_f64(reply.after), self.number), (caller, ticket, reply.success));
            }
            seen.closed = self.callers.iter().all(|rule| rule.is_closed());
            tenths.push(seen);
        }
        tenths
    }

    async fn reply_until(&mut self, end: Instant) {
        while let Some(entry) = self.replies.first_entry().filter(|entry| entry.key().0 <= end) {
            let ((at, _), (caller, ticket, success)) = entry.remove_entry();
            advance(at - Instant::now()).await;
            self.callers[caller].done(ticket, success, at);
        }
        advance(end - Instant::now()).await;
    }
}
