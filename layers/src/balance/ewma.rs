//! How fast and how well a node answered of late: moving averages weighted by time, with the formulas of Kratos 2.9
//! (`selector/node/ewma`).

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use crate::time::{nanos, nanos_since};

/// Time after which an old value still weighs 1/e.
const TAU: f64 = 600e6;
/// Latency that a node without any is taken to have, in nanoseconds of load.
const PENALTY: f64 = 100_000.0;
/// Added to every latency, so that differences far below it do not matter, in nanoseconds.
const FLOOR: u64 = 5_000_000;
/// Score of a node whose calls all succeed.
const FULL: f64 = 1000.0;
/// Calls in flight whose age is looked at.
const SLOTS: usize = 200;
/// How long a look at the calls in flight holds, in nanoseconds.
const LOOK_HOLDS: u64 = 5_000_000;

/// Moving averages of one node. Updates of several threads may overwrite each other; that only smooths a little less.
#[derive(Debug)]
pub(super) struct Ewma {
    born: Instant,
    /// Latency in nanoseconds; 0 is none yet.
    lag: AtomicU64,
    /// Success, 0 to 1000, as the bits of an `f64`.
    success: AtomicU64,
    /// When the averages were last updated, in nanoseconds since `born`; as all times here.
    updated: AtomicU64,
    /// When it was last picked; 0 is never.
    picked: AtomicU64,
    in_flight: AtomicU64,
    /// Starts of calls in flight; 0 is a free slot.
    starts: Box<[AtomicU64; SLOTS]>,
    next_slot: AtomicU64,
    predicted: AtomicU64,
    predicted_at: AtomicU64,
}

/// A call in flight, as [`Ewma::begin`] noted it.
#[derive(Debug)]
pub(super) struct Begun {
    at: u64,
    slot: Option<usize>,
}

impl Ewma {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            born: now,
            lag: AtomicU64::new(0),
            success: AtomicU64::new(FULL.to_bits()),
            updated: AtomicU64::new(0),
            picked: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            starts: Box::new([const { AtomicU64::new(0) }; SLOTS]),
            next_slot: AtomicU64::new(0),
            predicted: AtomicU64::new(0),
            predicted_at: AtomicU64::new(0),
        }
    }

    /// Nanoseconds since the node is known, at least 1.
    fn nanos(&self, now: Instant) -> u64 {
        nanos_since(self.born, now).max(1)
    }

    /// Notes that a call begins.
    pub(super) fn begin(&self, now: Instant) -> Begun {
        let at = self.nanos(now);
        self.picked.fetch_max(at, Relaxed);
        self.in_flight.fetch_add(1, Relaxed);
        let slot = (self.next_slot.fetch_add(1, Relaxed) % SLOTS as u64) as usize;
        let free = self.starts[slot].compare_exchange(0, at, Relaxed, Relaxed).is_ok();
        Begun { at, slot: free.then_some(slot) }
    }

    /// Notes that a call has ended; `success` is `None` if nothing is to be learnt from it.
    pub(super) fn end(&self, begun: &Begun, success: Option<bool>, now: Instant) {
        self.in_flight.fetch_sub(1, Relaxed);
        if let Some(slot) = begun.slot {
            self.starts[slot].store(0, Relaxed);
        }
        let Some(success) = success else { return };
        let now = self.nanos(now);
        let age = now.saturating_sub(self.updated.fetch_max(now, Relaxed));
        let old_lag = self.lag.load(Relaxed);
        let old = if old_lag == 0 { 0.0 } else { (-(age as f64) / TAU).exp() };
        let lag = old_lag as f64 * old + now.saturating_sub(begun.at) as f64 * (1.0 - old);
        self.lag.store((lag as u64).max(1), Relaxed);
        let outcome = if success { FULL } else { 0.0 };
        let average = f64::from_bits(self.success.load(Relaxed)) * old + outcome * (1.0 - old);
        self.success.store(average.to_bits(), Relaxed);
    }

    /// Success divided by load: the higher, the sooner the node should be called.
    pub(super) fn score(&self, now: Instant) -> f64 {
        let lag = self.lag.load(Relaxed);
        let lag = lag.max(self.predict(lag, self.nanos(now)));
        let cost = if lag == 0 { PENALTY } else { ((lag + FLOOR) as f64).sqrt().floor() };
        let load = cost * (self.in_flight.load(Relaxed) + 1) as f64;
        f64::from_bits(self.success.load(Relaxed)) * 1e4 / load
    }

    /// Latency that the calls in flight promise: the mean of those older than the average, if they are more than half.
    fn predict(&self, lag: u64, now: u64) -> u64 {
        let at = self.predicted_at.load(Relaxed);
        if at != 0 && now.saturating_sub(at) < LOOK_HOLDS {
            return self.predicted.load(Relaxed);
        }
        let (mut all, mut late, mut sum) = (0_u64, 0_u64, 0_u64);
        for start in self.starts.iter().map(|s| s.load(Relaxed)).filter(|s| *s != 0) {
            all += 1;
            let age = now.saturating_sub(start);
            if age > lag {
                late += 1;
                sum += age;
            }
        }
        let predicted = if late > all / 2 { sum / late } else { 0 };
        self.predicted.store(predicted, Relaxed);
        self.predicted_at.store(now, Relaxed);
        predicted
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
        self.in_flight.load(Relaxed)
    }
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
    fn failures_lower_the_score_and_calls_without_a_lesson_do_not() {
        let t0 = Instant::now();
        let ewma = Ewma::new(t0);
        let first = ewma.begin(t0);
        ewma.end(&first, Some(true), after(t0, 1));
        let good = ewma.score(after(t0, 20));
        let canceled = ewma.begin(after(t0, 20));
        ewma.end(&canceled, None, after(t0, 21));
        assert_eq!(ewma.score(after(t0, 40)), good);
        let failed = ewma.begin(after(t0, 600));
        ewma.end(&failed, Some(false), after(t0, 601));
        assert!(ewma.score(after(t0, 620)) < good / 2.0);
    }

    #[test]
    fn a_node_whose_calls_hang_looks_slow_before_they_end() {
        let t0 = Instant::now();
        let ewma = Ewma::new(t0);
        let first = ewma.begin(t0);
        ewma.end(&first, Some(true), after(t0, 1));
        let hanging = ewma.begin(after(t0, 1));
        let soon = ewma.score(after(t0, 2));
        assert!(ewma.score(after(t0, 1000)) < soon / 5.0);
        ewma.end(&hanging, None, after(t0, 1001));
        assert_eq!(ewma.in_flight(), 0);
        assert!(ewma.starts.iter().all(|s| s.load(Relaxed) == 0));
    }
}
