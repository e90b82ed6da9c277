//! What the replies to probes say about the service: Wald's sequential test ("Sequential Tests of Statistical Hypotheses", 1945), begun
//! anew whenever it would count against the service (Page, "Continuous Inspection Schemes", 1954).

/// Evidence at which the service is taken to be well, and the most there is.
pub(super) const FULL: u32 = 1 << 24;
/// The logarithm of how much likelier a service is well than ill, at full evidence.
const FULL_LOG: f64 = 4.0;
/// How far from the ratio in force a service that is surely well, or surely ill, is taken to be.
const MARGIN: f64 = 0.1;

/// What one reply adds to the evidence, or takes from it. In the mean a service that meets the ratio gains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weights {
    success: u32,
    failure: u32,
}

impl Weights {
    /// Weights for the share of calls that has to succeed, 0.01 to 1. At a ratio of 1 one failure undoes all.
    pub(super) fn of(ratio: f64) -> Self {
        let well = (ratio + MARGIN).min(f64::midpoint(1.0, ratio));
        let ill = (ratio - MARGIN).max(ratio / 10.0);
        let weight = |log: f64| (log / FULL_LOG * f64::from(FULL)).round().clamp(1.0, f64::from(FULL)) as u32;
        Self { success: weight((well / ill).ln()), failure: weight(((1.0 - ill) / (1.0 - well)).ln()) }
    }

    /// The weights of replies of which there are `1 << doublings` times as many.
    pub(super) const fn spread(self, doublings: u8) -> Self {
        Self { success: self.success >> doublings, failure: self.failure >> doublings }
    }

    /// The evidence after one more reply.
    pub(super) const fn after(self, evidence: u32, success: bool) -> u32 {
        let gained = evidence + self.success;
        match success {
            true if gained < FULL => gained,
            true => FULL,
            false => evidence.saturating_sub(self.failure),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a call adds on average at a share of success.
    fn drift(ratio: f64, share: f64) -> f64 {
        let Weights { success, failure } = Weights::of(ratio);
        f64::from(success) * share - f64::from(failure) * (1.0 - share)
    }

    #[test]
    fn u7_evidence_grows_above_the_ratio_in_force_and_falls_below_it() {
        for ratio in [0.05, 0.2, 0.4, 0.5, 0.6, 0.75, 0.9, 0.99] {
            assert!(drift(ratio, (ratio + 0.1_f64).min(1.0)) > 0.0, "{ratio}");
            assert!(drift(ratio, (ratio - 0.1_f64).max(0.0)) < 0.0, "{ratio}");
        }
    }

    #[test]
    fn u7_evidence_stays_in_its_range_whatever_the_ratio() {
        for ratio in [0.01, 0.6, 1.0] {
            let weights = Weights::of(ratio);
            assert_eq!(weights.after(0, false), 0);
            assert_eq!(weights.after(FULL, true), FULL);
            assert!(weights.after(0, true) > 0 && weights.after(FULL, false) < FULL, "{ratio}: {weights:?}");
        }
        assert_eq!(Weights::of(1.0).after(FULL - 1, false), 0, "where every call has to succeed, one failure undoes all");
    }
}
