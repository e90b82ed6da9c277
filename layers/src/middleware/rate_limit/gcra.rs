//! The generic cell rate algorithm: a token bucket in one atomic number.
//!
//! With a tolerance of `burst - 1` intervals it decides exactly as a token bucket of that burst, refilled to the nanosecond, without a
//! timer. Source: ITU-T I.371, and the "virtual scheduling" form of it.

use std::sync::atomic::Ordering;

use tokio::time::Instant;

use crate::sync::AtomicU64;
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

    /// Takes a token, if there is one `now`. Callers that share a clock and a bucket ask [`admit`](Self::admit).
    pub fn allow(&self, now: Instant) -> bool {
        self.admit(now, || now)
    }

    /// Takes a token for a call that was `received` a while ago, if there was one then or is one by the `clock`.
    ///
    /// Others may have moved the bucket on since the call was received, so that it looks empty from there. Then the present decides: the
    /// clock is read after the bucket, and is never behind what others did to it. So no call is refused that a bucket would allow that is
    /// asked at the time of each decision, and in a span of time no more calls pass than that, and those received before it.
    pub fn admit(&self, received: Instant, clock: impl Fn() -> Instant) -> bool {
        let received = nanos_since(self.epoch, received);
        let full = |due: u64, now: u64| due > now.saturating_add(self.tolerance);
        let next = |due: u64| {
            let now = if full(due, received) { nanos_since(self.epoch, clock()).max(received) } else { received };
            (!full(due, now)).then(|| due.max(now).saturating_add(self.interval))
        };
        // What the clock was when the bucket was moved on comes before what it is for those who see that.
        self.due.fetch_update(Ordering::AcqRel, Ordering::Acquire, next).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use governor::clock::FakeRelativeClock;
    use governor::{Quota, RateLimiter};
    use proptest::prelude::*;

    use super::*;
    use crate::sync::explore;

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

    /// As issue 19 has it: a limit far above the load, and a worker that decides 4 ms after its call was received.
    #[test]
    fn p3_a_call_that_waited_is_not_refused_for_what_came_meanwhile() {
        let bucket = Gcra::new(1_000_000, 100);
        let at = |us| bucket.epoch + Duration::from_micros(us);
        assert!(bucket.allow(at(5000)), "of another worker");
        assert!(bucket.admit(at(1000), || at(5001)));
        let burst = (0..200).filter(|_| bucket.admit(at(1000), || at(5001))).count();
        assert_eq!(burst, 99, "the burst is not exceeded: of its hundred tokens one is taken");
    }

    /// In every order of reading the clock, which goes on by an interval each time, and of taking a token.
    #[test]
    fn p3_two_workers_as_fast_as_the_limit_are_never_refused() {
        let world = || (Gcra::new(1_000_000, 1), AtomicU64::new(0));
        let call = |(bucket, clock): &(Gcra, AtomicU64)| {
            let at = |micros| bucket.epoch + Duration::from_micros(micros);
            let received = at(clock.fetch_add(1, Ordering::Relaxed));
            assert!(bucket.admit(received, || at(clock.load(Ordering::Relaxed))));
        };
        explore(world, &[&call, &call], |(bucket, _)| assert!(bucket.due.load(Ordering::Relaxed) >= 2000, "both took a token"));
    }

    /// Each thread reads the clock, and is interrupted now and then before it asks. Together they are far slower than the limit.
    #[test]
    fn p3_threads_whose_clocks_are_read_out_of_order_are_never_refused() {
        let bucket = Gcra::new(500_000_000, 1000);
        let refused = |_| {
            let call = |i: u32| {
                let received = Instant::now();
                if i.is_multiple_of(97) {
                    std::thread::sleep(Duration::from_micros(50));
                }
                bucket.admit(received, Instant::now)
            };
            (0..20_000).filter(|i| !call(*i)).count()
        };
        let total: usize = std::thread::scope(|s| {
            let threads: Vec<_> = (0..4).map(|i| s.spawn(move || refused(i))).collect();
            threads.into_iter().map(|t| t.join().expect("no panic")).sum()
        });
        assert_eq!(total, 0);
    }

    proptest! {
        /// A model of many workers: calls are received one after another, and decided up to 8 ms later, so out of order. As long as a bucket
        /// that is asked at the times of the decisions, in their order, allows all, so does this one. It never allows more than the burst, and
        /// a token each interval from the first call on.
        #[test]
        fn p3_calls_decided_out_of_order_are_refused_only_beyond_the_limit(
            rate in 100u32..2_000_000,
            burst in 1u32..200,
            calls in prop::collection::vec((0u64..200_000, 0u64..8_000_000), 1..300),
        ) {
            let (bucket, oracle) = (Gcra::new(rate, burst), Gcra::new(rate, burst));
            let mut received = 0;
            let mut times: Vec<(u64, u64)> = Vec::new();
            for (gap, wait) in calls {
                received += gap;
                times.push((received + wait, received));
            }
            times.sort_unstable();
            let at = |nanos| bucket.epoch + Duration::from_nanos(nanos);
            let first = times.iter().map(|(_, received)| *received).min().unwrap_or_default();
            let (mut below, mut passed) = (true, 0);
            for (decided, received) in times {
                below &= oracle.allow(oracle.epoch + Duration::from_nanos(decided));
                let allowed = bucket.admit(at(received), || at(decided));
                prop_assert!(allowed || !below, "refused below the limit");
                passed += u64::from(allowed);
                prop_assert!(passed <= u64::from(burst) + (decided - first) / bucket.interval);
            }
        }

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
