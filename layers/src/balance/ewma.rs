//! How fast and how well a node answered of late: moving averages weighted by time, as in Kratos 2.9 (`selector/node/ewma`).
//! `docs/kratos.md` of the repository says where this leaves its formulas, and why.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::time::{nanos, nanos_since};

/// Time after which an old value still weighs 1/e.
const TAU: f64 = 600e6;
/// Latency that a node without any is taken to have, in nanoseconds.
const UNKNOWN: u64 = 10_000_000_000;
/// Added to every latency, so that differences far below it do not matter, in nanoseconds.
const FLOOR: u64 = 5_000_000;
/// Least share of success that is reckoned with.
const LEAST_SUCCESS: f64 = 0.001;
/// Bits of the number of calls in flight; the sum of their starts has the others.
const COUNT_BITS: u32 = 20;
/// Starts of calls are summed up in units of `1 << UNIT_BITS` nanoseconds, 66 µs.
const UNIT_BITS: u32 = 16;
const SUM_MASK: u64 = u64::MAX >> COUNT_BITS;

/// Moving averages of one node. Updates of several threads may overwrite each other; that only smooths a little less.
#[derive(Debug)]
pub(super) struct Ewma {
    born: Instant,
    /// Latency in nanoseconds; 0 is none yet.
    lag: AtomicU64,
    /// Success, 0 to 1, as the bits of an `f64`.
    success: AtomicU64,
    /// When the averages were last updated, in nanoseconds since `born`; as all times here.
    updated: AtomicU64,
    /// When it was last picked; 0 is never.
    picked: AtomicU64,
    /// How many calls are in flight, and the sum of their starts, which may overflow: only differences to it matter.
    in_flight: AtomicU64,
}

/// A call in flight, as [`Ewma::begin`] noted it: when it began.
#[derive(Debug)]
pub(super) struct Begun(u64);

impl Begun {
    /// What it adds to the word of the calls in flight.
    const fn word(&self) -> u64 {
        self.0 >> UNIT_BITS << COUNT_BITS | 1
    }
}

impl Ewma {
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            born: now,
            lag: AtomicU64::new(0),
            success: AtomicU64::new(1.0_f64.to_bits()),
            updated: AtomicU64::new(0),
            picked: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
        }
    }

    /// Nanoseconds since the node is known, at least 1.
    fn nanos(&self, now: Instant) -> u64 {
        nanos_since(self.born, now).max(1)
    }

    /// Notes that a call begins.
    pub(super) fn begin(&self, now: Instant) -> Begun {
        let begun = Begun(self.nanos(now));
        self.picked.store(begun.0, Relaxed);
        self.in_flight.fetch_add(begun.word(), Relaxed);
        begun
    }

    /// Notes that a call has ended; `success` is `None` if nothing is to be learnt from it.
    pub(super) fn end(&self, begun: &Begun, success: Option<bool>, now: Instant) {
        self.in_flight.fetch_sub(begun.word(), Relaxed);
        let Some(success) = success else { return };
        let now = self.nanos(now);
        let age = now.saturating_sub(self.updated.swap(now, Relaxed));
        let old_lag = self.lag.load(Relaxed);
        let old = if old_lag == 0 { 0.0 } else { (-(age as f64) / TAU).exp() };
        let took = now.saturating_sub(begun.0);
        // A failure does not make a node look fast.
        let took = if success { took } else { took.max(old_lag) };
        let lag = old_lag as f64 * old + took as f64 * (1.0 - old);
        self.lag.store((lag as u64).max(1), Relaxed);
        let average = f64::from_bits(self.success.load(Relaxed)) * old + f64::from(success) * (1.0 - old);
        self.success.store(average.to_bits(), Relaxed);
    }

    /// What a call to the node costs, above 0: the latency to be expected, times the square of the calls in flight with this one, by the
    /// square of its success.
    pub(super) fn cost(&self, now: Instant) -> f64 {
        let in_flight = self.in_flight.load(Relaxed);
        let lag = match self.lag.load(Relaxed) {
            0 => UNKNOWN,
            lag => lag.max(self.waited(in_flight, now)),
        };
        let success = f64::from_bits(self.success.load(Relaxed)).max(LEAST_SUCCESS);
        let load = (count(in_flight) + 1) as f64 / success;
        (lag + FLOOR) as f64 * load * load
    }

    /// How long the calls in flight have waited for a reply by now, on average: so a node that hangs looks slow before a call ends.
    fn waited(&self, in_flight: u64, now: Instant) -> u64 {
        let count = count(in_flight);
        if count == 0 {
            return 0;
        }
        let sum = (count * (self.nanos(now) >> UNIT_BITS)).wrapping_sub(in_flight >> COUNT_BITS) & SUM_MASK;
        // Below 0, for a call that another thread has begun just now, is in the upper half.
        if sum > SUM_MASK / 2 { 0 } else { sum / count << UNIT_BITS }
    }

    /// Claims the node for the caller if nobody picked it for `idle`, or ever; of several callers at most one succeeds.
    pub(super) fn claim_if_idle_for(&self, idle: Duration, now: Instant) -> bool {
        let now = self.nanos(now);
        let picked = self.picked.load(Relaxed);
        let idle = picked == 0 || now.saturating_sub(picked) > nanos(idle);
        idle && self.picked.compare_exchange(picked, now, Relaxed, Relaxed).is_ok()
    }

    /// Calls begun and not ended.
    pub(super) fn in_flight(&self) -> u64 {
        count(self.in_flight.load(Relaxed))
    }
}

/// How many calls are in flight.
const fn count(in_flight: u64) -> u64 {
    in_flight & ((1 << COUNT_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(born: Instant, ms: u64) -> Instant {
        born + Duration::from_millis(ms)
    }

    #[test]
    fn the_first_latency_counts_in_full_and_later_ones_by_their_age() {
        let t0 = Instant::now();
        let ewma = Ewma::new(t0);
        let t0 = after(t0, 1);
        let call = ewma.begin(t0);
        ewma.end(&call, Some(true), after(t0, 10));
        assert_eq!(ewma.lag.load(Relaxed), 10_000_000);
        let call = ewma.begin(after(t0, 590));
        ewma.end(&call, Some(true), after(t0, 610));
        let old = (-1.0_f64).exp();
        let expected = 10e6 * old + 20e6 * (1.0 - old);
        assert!((ewma.lag.load(Relaxed) as f64 - expected).abs() < 2.0);
    }

    #[test]
    fn failures_raise_the_cost_and_calls_without_a_lesson_do_not() {
        let t0 = Instant::now();
        let ewma = Ewma::new(t0);
        let first = ewma.begin(t0);
        ewma.end(&first, Some(true), after(t0, 1));
        let good = ewma.cost(after(t0, 20));
        let canceled = ewma.begin(after(t0, 20));
        ewma.end(&canceled, None, after(t0, 21));
        assert_eq!(ewma.cost(after(t0, 40)), good);
        let failed = ewma.begin(after(t0, 600));
        ewma.end(&failed, Some(false), after(t0, 601));
        assert!(ewma.cost(after(t0, 620)) > good * 2.0);
    }

    #[test]
    fn u8_a_failure_does_not_make_a_node_look_fast() {
        let t0 = Instant::now();
        let ewma = Ewma::new(t0);
        let first = ewma.begin(t0);
        ewma.end(&first, Some(true), after(t0, 50));
        let lag = ewma.lag.load(Relaxed);
        let failed = ewma.begin(after(t0, 600));
        ewma.end(&failed, Some(false), after(t0, 600));
        assert_eq!(ewma.lag.load(Relaxed), lag, "refused in no time");
        let failed = ewma.begin(after(t0, 600));
        ewma.end(&failed, Some(false), after(t0, 2600));
        assert!(ewma.lag.load(Relaxed) > 20 * lag, "timed out");
    }

    #[test]
    fn a_node_whose_calls_hang_looks_slow_before_they_end() {
        let t0 = Instant::now();
        let ewma = Ewma::new(t0);
        let first = ewma.begin(t0);
        ewma.end(&first, Some(true), after(t0, 1));
        let hanging = ewma.begin(after(t0, 1));
        let soon = ewma.cost(after(t0, 2));
        assert!(ewma.cost(after(t0, 1000)) > 100.0 * soon);
        ewma.end(&hanging, None, after(t0, 1001));
        assert_eq!(ewma.in_flight(), 0);
    }

    /// After years, with thousands of calls: the sum of starts has overflowed many times.
    #[test]
    fn u8_the_mean_wait_is_that_of_all_calls_in_flight() {
        let t0 = Instant::now();
        let ewma = Ewma::new(t0);
        let t1 = t0 + Duration::from_secs(10 * 365 * 86_400);
        let begun: Vec<_> = (0..5000).map(|i| ewma.begin(after(t1, i / 5))).collect();
        let waited = |now| ewma.waited(ewma.in_flight.load(Relaxed), now) as f64 / 1e6;
        assert!((waited(after(t1, 1000)) - 500.5).abs() < 1.0);
        assert!((waited(after(t1, 3000)) - 2500.5).abs() < 1.0);
        assert_eq!(waited(t1), 0.0, "read before they were begun, by another thread's clock");
        assert_eq!(ewma.in_flight(), 5000);
        for call in &begun {
            ewma.end(call, Some(true), after(t1, 3000));
        }
        assert_eq!(ewma.in_flight.load(Relaxed), 0);
    }
}
