//! The generic cell rate algorithm: a token bucket in one atomic number.
//!
//! With a tolerance of `burst - 1` intervals it decides exactly as a token bucket of that burst, refilled to the nanosecond, without a
//! timer. Source: ITU-T I.371, and the "virtual scheduling" form of it.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;

use crate::time::nanos_since;

/// A token bucket. Many threads may take from it at once.
///
/// ```
/// use std::time::Duration;
/// use user_info_layers::middleware::rate_limit::Gcra;
///
/// let (bucket, now) = (Gcra::new(2000, 1), tokio::time::Instant::now());
/// assert!(bucket.allow(now));
/// assert!(!bucket.allow(now + Duration::from_micros(100)), "the next token comes 500 us after the first");
/// assert!(bucket.allow(now + Duration::from_micros(500)));
/// ```
#[derive(Debug)]
pub struct Gcra {
    epoch: Instant,
    /// Time between tokens, in nanoseconds.
    interval: u64,
    /// How far ahead of now the next cell may be due, in nanoseconds.
    tolerance: u64,
    /// When the next cell is due, in nanoseconds since `epoch`.
    due: AtomicU64,
}

impl Gcra {
    /// A full bucket of `burst` tokens that gets `per_second` new ones a second; both are at least 1.
    pub fn new(per_second: u32, burst: u32) -> Self {
        let interval = 1_000_000_000 / u64::from(per_second.max(1));
        Self { epoch: Instant::now(), interval, tolerance: interval * u64::from(burst.max(1) - 1), due: AtomicU64::new(0) }
    }

    /// Takes a token, if there is one.
    pub fn allow(&self, now: Instant) -> bool {
        let now = nanos_since(self.epoch, now);
        let next = |due: u64| (due <= now.saturating_add(self.tolerance)).then(|| due.max(now).saturating_add(self.interval));
        self.due.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;
    use governor::{Quota, RateLimiter};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_token_each_500_us() {
        let bucket = Gcra::new(2000, 1);
        let at = |us| bucket.epoch + Duration::from_micros(us);
        let decisions: Vec<bool> = [0, 100, 499, 500, 501, 999, 1000, 9000, 9001].map(|us| bucket.allow(at(us))).to_vec();
        assert_eq!(decisions, [true, false, false, true, false, false, true, true, false]);
    }

    #[test]
    fn threads_share_the_tokens_exactly() {
        let bucket = Gcra::new(1, 500);
        let now = bucket.epoch;
        let took = |_| (0..1000).filter(|_| bucket.allow(now)).count();
        let total: usize = std::thread::scope(|s| {
            let threads: Vec<_> = (0..4).map(|i| s.spawn(move || took(i))).collect();
            threads.into_iter().map(|t| t.join().expect("no panic")).sum()
        });
        assert_eq!(total, 500);
    }

    proptest! {
        /// The crate `governor` decides the same for any arrivals.
        #[test]
        fn decides_as_governor(rate in 1u32..5000, burst in 1u32..50, gaps in prop::collection::vec(0u64..3_000_000, 1..200)) {
            let bucket = Gcra::new(rate, burst);
            let clock = FakeRelativeClock::default();
            let period = Duration::from_nanos(1_000_000_000 / u64::from(rate));
            let quota = Quota::with_period(period).expect("not zero").allow_burst(burst.try_into().expect("not zero"));
            let oracle = RateLimiter::direct_with_clock(quota, clock.clone());
            let mut now = bucket.epoch;
            for gap in gaps {
                clock.advance(Duration::from_nanos(gap));
                now += Duration::from_nanos(gap);
                prop_assert_eq!(bucket.allow(now), oracle.check().is_ok());
            }
        }
    }
}
