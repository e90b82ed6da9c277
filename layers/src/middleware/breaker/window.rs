//! A rolling window of ten buckets that counts calls and accepted calls without a lock.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::time::Instant;

use crate::sync::AtomicU64;
use crate::time::{nanos, nanos_since};

/// Buckets of a window.
const BUCKETS: u64 = 10;
/// Bits of each of the two counts; a bucket that is full counts no more, so that the ratio stays as it is.
const COUNT_BITS: u32 = 20;
const COUNT_MASK: u64 = (1 << COUNT_BITS) - 1;
const EPOCH_MASK: u64 = (1 << (64 - 2 * COUNT_BITS)) - 1;
/// How many spans a call may be late and be known to be: ten windows. Far less than the numbers of spans have, or a bucket that was not used for
/// long would look newer than it is.
const LATE: u64 = 10 * BUCKETS;

/// Calls of the last while, and how many of them were accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// Calls.
    pub(super) total: u64,
    /// Calls that succeeded.
    pub(super) accepts: u64,
}

/// Counts calls over a rolling span of time. Each bucket is one atomic word: 24 bits of the number of the span it counts, and twice 20
/// bits of counts; so a bucket is emptied and counted into in one step.
#[derive(Debug)]
pub(super) struct Window {
    start: Instant,
    /// Nanoseconds of a bucket's span.
    bucket: u64,
    buckets: [AtomicU64; BUCKETS as usize],
}

impl Window {
    /// An empty window of this length.
    pub(super) fn new(length: Duration, now: Instant) -> Self {
        let bucket = nanos(length / BUCKETS as u32).max(1);
        Self { start: now, bucket, buckets: [const { AtomicU64::new(0) }; BUCKETS as usize] }
    }

    /// Number of the bucket's span that `now` falls in, from 10 on, so that an empty word is of a span long past.
    fn epoch(&self, now: Instant) -> u64 {
        (nanos_since(self.start, now) / self.bucket).saturating_add(BUCKETS)
    }

    /// Counts a call.
    pub(super) fn add(&self, accepted: bool, now: Instant) {
        let epoch = self.epoch(now);
        let slot = &self.buckets[(epoch % BUCKETS) as usize];
        let epoch = epoch & EPOCH_MASK;
        let mut old = slot.load(Relaxed);
        loop {
            let (of, Sums { total, accepts }) = unpack(old);
            let new = if of != epoch && (of.wrapping_sub(epoch) & EPOCH_MASK) <= LATE {
                return; // other threads have moved the bucket on while this one was held up: the call is out of the window
            } else if of != epoch {
                pack(epoch, Sums { total: 1, accepts: u64::from(accepted) })
            } else if total < COUNT_MASK {
                pack(epoch, Sums { total: total + 1, accepts: accepts + u64::from(accepted) })
            } else {
                return;
            };
            match slot.compare_exchange_weak(old, new, Relaxed, Relaxed) {
                Ok(_) => return,
                Err(current) => old = current,
            }
        }
    }

    /// Sums of the window that ends with the current bucket, which counts.
    pub(super) fn sums(&self, now: Instant) -> Sums {
        let epoch = self.epoch(now);
        self.buckets
            .iter()
            .map(|b| unpack(b.load(Relaxed)))
            .filter(|(of, _)| (epoch.wrapping_sub(*of) & EPOCH_MASK) < BUCKETS)
            .fold(Sums::default(), |sums, (_, bucket)| Sums { total: sums.total + bucket.total, accepts: sums.accepts + bucket.accepts })
    }

    /// Empties the window.
    pub(super) fn reset(&self) {
        for bucket in &self.buckets {
            bucket.store(0, Relaxed);
        }
    }
}

const fn pack(epoch: u64, sums: Sums) -> u64 {
    epoch << (2 * COUNT_BITS) | sums.total << COUNT_BITS | sums.accepts
}

const fn unpack(word: u64) -> (u64, Sums) {
    (word >> (2 * COUNT_BITS), Sums { total: word >> COUNT_BITS & COUNT_MASK, accepts: word & COUNT_MASK })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sync::explore;

    const LENGTH: Duration = Duration::from_secs(3);

    proptest! {
        /// Against a plain list: what was added in the last nine whole buckets and the current one is in the sums, and nothing else.
        #[test]
        fn sums_what_the_buckets_of_the_window_hold(steps in prop::collection::vec((0_u64..1500, any::<bool>()), 1..200)) {
            let start = Instant::now();
            let window = Window::new(LENGTH, start);
            let (mut at, mut added) = (0, Vec::new());
            for (step, accepted) in steps {
                at += step;
                window.add(accepted, start + Duration::from_millis(at));
                added.push((at / 300, accepted));
                let inside = || added.iter().filter(|(bucket, _)| at / 300 - bucket < 10);
                let expected = Sums { total: inside().count() as u64, accepts: inside().filter(|(_, a)| *a).count() as u64 };
                prop_assert_eq!(window.sums(start + Duration::from_millis(at)), expected);
            }
        }
    }

    #[test]
    fn loses_no_count_of_many_threads() {
        let now = Instant::now();
        let window = Window::new(Duration::from_secs(600), now);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..10_000).for_each(|i| window.add(i % 4 == 0, now)));
            }
        });
        assert_eq!(window.sums(now), Sums { total: 40_000, accepts: 10_000 });
    }

    /// As workers do that read the clock and are interrupted before they count.
    #[test]
    fn p3_counts_out_of_order_by_less_than_the_window_are_all_there() {
        let start = Instant::now();
        let window = Window::new(LENGTH, start);
        let at = |ms| start + Duration::from_millis(ms);
        for ms in [900, 100, 1200, 0, 899, 1201] {
            window.add(ms % 2 == 0, at(ms));
        }
        assert_eq!(window.sums(at(1201)), Sums { total: 6, accepts: 4 });
        assert_eq!(window.sums(at(900)), Sums { total: 4, accepts: 3 }, "as it was then");
    }

    /// As a worker that is held up for longer than the window.
    #[test]
    fn p3_a_count_that_comes_after_its_window_leaves_the_running_one_alone() {
        let start = Instant::now();
        let window = Window::new(LENGTH, start);
        let at = |ms| start + Duration::from_millis(ms);
        for late in [LENGTH.as_millis() as u64, 30_000] {
            window.add(true, at(late + 100));
            window.add(false, at(50));
            assert_eq!(window.sums(at(late + 100)), Sums { total: 1, accepts: 1 });
        }
        let days = Duration::from_secs(40 * 24 * 3600);
        window.add(false, start + days);
        assert_eq!(window.sums(start + days), Sums { total: 1, accepts: 0 }, "a bucket that was not used for long is emptied");
    }

    #[test]
    fn p3_a_bucket_is_emptied_once_by_all_who_count_into_it() {
        let start = Instant::now();
        let later = start + LENGTH;
        let old = || {
            let window = Window::new(LENGTH, start);
            (0..5).for_each(|_| window.add(false, start));
            window
        };
        let count = |window: &Window| window.add(true, later);
        explore(old, &[&count, &count], |window| assert_eq!(window.sums(later), Sums { total: 2, accepts: 2 }));
    }

    #[test]
    fn a_full_bucket_keeps_its_ratio() {
        let now = Instant::now();
        let window = Window::new(LENGTH, now);
        window.buckets[0].store(pack(10, Sums { total: COUNT_MASK, accepts: COUNT_MASK / 2 }), Relaxed);
        window.add(true, now);
        assert_eq!(window.sums(now), Sums { total: COUNT_MASK, accepts: COUNT_MASK / 2 });
        window.add(true, now + LENGTH);
        assert_eq!(window.sums(now + LENGTH), Sums { total: 1, accepts: 1 });
    }
}
