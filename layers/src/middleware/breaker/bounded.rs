//! The state of the bounded breaker: closed, or open and letting more pass the more speaks for the service.

use std::sync::atomic::{AtomicU64, Ordering::AcqRel, Ordering::Acquire, Ordering::Release};

use super::evidence::{FULL, Weights};

/// Stage from which on the rate rises with time, since there is evidence enough.
pub(super) const RAMP: u8 = 6;
/// Highest stage; its rate is a billion times the first one's.
const LAST: u8 = 30;
/// Evidence that each stage below [`RAMP`] needs.
const DOUBLING: u32 = FULL / 16;
/// Evidence below which a ramp ends.
const DOUBTFUL: u32 = FULL / 4;
/// Shortest time of a stage before a higher one, in nanoseconds.
const STEP: u64 = 100_000_000;
/// How much earlier than its turn a call may pass from [`RAMP`] on, in nanoseconds: calls do not come evenly.
const LEEWAY: u64 = 10_000_000;
/// Bits of the evidence and the stage in the word of the state.
const EVIDENCE_BITS: u32 = 25;
const STAGE_BITS: u32 = 5;

/// What the breaker does; one atomic word. The generation changes whenever it opens or closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CircuitState {
    pub(super) generation: u32,
    pub(super) open: bool,
    /// Whether a call was refused in this stage, which matters from [`RAMP`] on.
    refused: bool,
    /// Each doubles the rate.
    pub(super) stage: u8,
    evidence: u32,
}

/// What the reply to a probe has led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Progress {
    /// The breaker is in another state by now, where the probe means nothing.
    Stale,
    /// Evidence was gained or lost.
    Probing,
    /// Evidence is full: the rate is doubled step by step from now on.
    RampBegun,
    /// As before.
    Ramping,
    /// Open => Closed.
    Closed,
}

impl CircuitState {
    const fn pack(self) -> u64 {
        let flags = (self.open as u64) << 1 | self.refused as u64;
        let graded = (flags << STAGE_BITS | self.stage as u64) << EVIDENCE_BITS | self.evidence as u64;
        (self.generation as u64) << 32 | graded
    }

    const fn unpack(word: u64) -> Self {
        let graded = word >> EVIDENCE_BITS;
        Self {
            generation: (word >> 32) as u32,
            open: graded >> (STAGE_BITS + 1) & 1 == 1,
            refused: graded >> STAGE_BITS & 1 == 1,
            stage: (graded & ((1 << STAGE_BITS) - 1)) as u8,
            evidence: (word & ((1 << EVIDENCE_BITS) - 1)) as u32,
        }
    }

    const fn flip(self) -> Self {
        Self { generation: self.generation.wrapping_add(1), open: !self.open, refused: false, stage: 0, evidence: 0 }
    }

    /// The next state after the reply to a probe of `stage`, if the present stage has lasted for `lasted`.
    fn after(self, success: bool, weights: Weights, stage: u8, lasted: u64) -> (Self, Progress) {
        // In the ramp each stage weighs the same, though it has twice as many replies as the one before.
        let evidence = weights.spread(self.stage.max(stage).saturating_sub(RAMP)).after(self.evidence, success);
        let same = Self { evidence, ..self };
        let wanted = if evidence == FULL { RAMP } else { (evidence / DOUBLING).min(u32::from(RAMP) - 1) as u8 };
        let at = |stage| Self { stage, refused: false, ..same };
        if self.stage >= RAMP && evidence >= DOUBTFUL {
            match success && stage == self.stage && lasted >= STEP {
                true if self.refused => (at((self.stage + 1).min(LAST)), Progress::Ramping),
                true => (self.flip(), Progress::Closed),
                false => (same, Progress::Ramping),
            }
        } else if wanted <= self.stage {
            (at(wanted), Progress::Probing)
        } else if !success || lasted < STEP {
            (same, Progress::Probing)
        } else {
            let begins = self.stage + 1 == RAMP;
            (at(self.stage + 1), if begins { Progress::RampBegun } else { Progress::Probing })
        }
    }
}

/// A breaker that is closed, or open in one of its stages. Times are nanoseconds on the owner's clock.
#[derive(Debug, Default)]
pub(super) struct Bounded {
    state: AtomicU64,
    /// When the last probe passed or should have, or the breaker opened.
    last_probe: AtomicU64,
    /// When the present stage began.
    stage_began: AtomicU64,
}

impl Bounded {
    pub(super) fn state(&self) -> CircuitState {
        CircuitState::unpack(self.state.load(Acquire))
    }

    /// Closed => Open, if it is still in the state `from`. The first probe passes after one interval.
    pub(super) fn open(&self, from: CircuitState, now: u64) -> bool {
        // Before the transition, or a caller could see it open with a probe due since long.
        self.last_probe.store(now, Release);
        self.stage_began.store(now, Release);
        self.exchange(from, from.flip())
    }

    /// Whether a breaker that is open in `state` lets this call pass as a probe: one each `interval` at first, by GCRA.
    pub(super) fn probe(&self, state: CircuitState, now: u64, interval: u64) -> bool {
        let early = if state.stage < RAMP { 0 } else { LEEWAY };
        let mut last = self.last_probe.load(Acquire);
        loop {
            let due = last.saturating_add(interval >> state.stage);
            if now.saturating_add(early) < due {
                if state.stage >= RAMP && !state.refused {
                    // If it fails, the next refusal will note it.
                    self.exchange(state, CircuitState { refused: true, ..state });
                }
                return false;
            }
            match self.last_probe.compare_exchange_weak(last, due.max(now), AcqRel, Acquire) {
                Ok(_) => return true,
                Err(current) => last = current,
            }
        }
    }

    /// Notes how a probe ended that passed in `generation` and `stage`.
    pub(super) fn probed(&self, generation: u32, stage: u8, success: bool, weights: Weights, now: u64) -> Progress {
        loop {
            let state = self.state();
            if !state.open || state.generation != generation {
                return Progress::Stale;
            }
            let lasted = now.saturating_sub(self.stage_began.load(Acquire));
            let (next, progress) = state.after(success, weights, stage, lasted);
            if next.stage != state.stage {
                // Before the transition, or a reply could end the stage at once.
                self.stage_began.store(now, Release);
            }
            if self.exchange(state, next) {
                return progress;
            }
        }
    }

    fn exchange(&self, from: CircuitState, to: CircuitState) -> bool {
        self.state.compare_exchange(from.pack(), to.pack(), AcqRel, Acquire).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn u7_the_state_is_one_word(generation: u32, open: bool, refused: bool, stage in 0..=LAST, evidence in 0..=FULL) {
            let state = CircuitState { generation, open, refused, stage, evidence };
            prop_assert_eq!(CircuitState::unpack(state.pack()), state);
        }

        /// Whatever replies come, from whatever stage, and however long a stage has lasted.
        #[test]
        fn u7_the_rate_at_most_doubles_within_a_step(
            ratio in 0.01..=1.0,
            replies in prop::collection::vec((any::<bool>(), 0..=LAST, 0..2 * STEP, any::<bool>()), 1..300),
        ) {
            let weights = Weights::of(ratio);
            let mut state = CircuitState::unpack(0).flip();
            for (success, stage, lasted, refused) in replies {
                let (next, progress) = CircuitState { refused, ..state }.after(success, weights, stage, lasted);
                prop_assert!(next.stage <= state.stage || next.stage == state.stage + 1 && lasted >= STEP, "{state:?} to {next:?}");
                prop_assert!(next.evidence <= FULL && (success || next.stage <= state.stage));
                prop_assert_eq!(next.open, progress != Progress::Closed);
                prop_assert!(next.open || state.stage >= RAMP && !refused && success);
                if !next.open {
                    break;
                }
                state = next;
            }
        }
    }
}
