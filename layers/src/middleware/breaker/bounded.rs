//! The state of the bounded breaker: closed, or open with a fixed rate of probes.

use std::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};
use std::time::Duration;

use crate::time::nanos;

/// Probes in a row that must succeed before the breaker closes.
const SUCCESSES: u64 = 5;

/// What the breaker does: one atomic word of a generation, which changes with every transition, an open bit and the run of successes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CircuitState {
    pub(super) generation: u32,
    pub(super) open: bool,
    successes: u64,
}

impl CircuitState {
    const fn pack(self) -> u64 {
        (self.generation as u64) << 32 | (self.open as u64) << 8 | self.successes
    }

    const fn unpack(word: u64) -> Self {
        Self { generation: (word >> 32) as u32, open: word >> 8 & 1 == 1, successes: word & 0xff }
    }

    const fn flip(self) -> Self {
        Self { generation: self.generation.wrapping_add(1), open: !self.open, successes: 0 }
    }
}

/// A breaker that is closed or open. Times are nanoseconds on the owner's clock.
#[derive(Debug, Default)]
pub(super) struct Bounded {
    state: AtomicU64,
    /// When the last probe passed, or the breaker opened.
    last_probe: AtomicU64,
}

impl Bounded {
    pub(super) fn state(&self) -> CircuitState {
        CircuitState::unpack(self.state.load(Acquire))
    }

    /// Closed => Open, if it is still in the state `from`. The first probe passes after one interval.
    pub(super) fn open(&self, from: CircuitState, now: u64) -> bool {
        // Before the transition, or a caller could see it open with a probe due since long.
        self.last_probe.store(now, Release);
        self.state.compare_exchange(from.pack(), from.flip().pack(), AcqRel, Acquire).is_ok()
    }

    /// Whether an open breaker lets this call pass as a probe: one each interval.
    pub(super) fn probe(&self, now: u64, interval: Duration) -> bool {
        let last = self.last_probe.load(Acquire);
        now >= last.saturating_add(nanos(interval)) && self.last_probe.compare_exchange(last, now, AcqRel, Acquire).is_ok()
    }

    /// Notes how a probe of `generation` ended. Open => Closed after enough successes in a row: says whether this one closed it.
    pub(super) fn probed(&self, generation: u32, success: bool) -> bool {
        let mut closed = false;
        // An error means that the breaker is in another state by now, where the probe means nothing.
        let _ = self.state.fetch_update(AcqRel, Acquire, |word| {
            let state = CircuitState::unpack(word);
            let next = match (state.open && state.generation == generation, success) {
                (false, _) => return None,
                (true, false) => CircuitState { successes: 0, ..state },
                (true, true) if state.successes + 1 < SUCCESSES => CircuitState { successes: state.successes + 1, ..state },
                (true, true) => state.flip(),
            };
            closed = !next.open;
            Some(next.pack())
        });
        closed
    }
}
