//! Which faults are injected.

use std::time::{Duration, SystemTime};

use crate::Error;

/// Faults for a share of the calls. Values out of range are taken as the nearest in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults {
    /// Delay before a call goes on.
    pub delay: Option<Delay>,
    /// Error instead of the reply.
    pub abort: Option<Abort>,
    /// From then on no fault is injected any more.
    pub expires_at: Option<SystemTime>,
}

/// A delay for a share of the calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Delay {
    /// Share of the calls, in percent, 0 to 100.
    pub percentage: f64,
    /// How long a delayed call waits, up to 1 h.
    pub fixed_delay: Duration,
}

/// An error for a share of the calls.
#[derive(Debug, Clone, PartialEq)]
pub struct Abort {
    /// Share of the calls, in percent, 0 to 100.
    pub percentage: f64,
    /// What such a call is answered.
    pub error: Error,
}

impl Default for Abort {
    /// 500 for every call.
    fn default() -> Self {
        Self { percentage: 100.0, error: Error::new(500, "random error", "random error") }
    }
}

impl Faults {
    /// The same within the ranges.
    pub(super) fn clamped(self) -> Self {
        let share = |percentage: f64| percentage.clamp(0.0, 100.0);
        let delay = |d: Delay| Delay { percentage: share(d.percentage), fixed_delay: d.fixed_delay.min(Duration::from_secs(3600)) };
        let abort = |a: Abort| {
            let error = Error { code: a.error.code.clamp(400, 599), ..a.error };
            Abort { percentage: share(a.percentage), error }
        };
        Self { delay: self.delay.map(delay), abort: self.abort.map(abort), expires_at: self.expires_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_out_of_range_is_taken_as_the_nearest() {
        let faults = |percentage, fixed_delay, code| Faults {
            delay: Some(Delay { percentage, fixed_delay }),
            abort: Some(Abort { percentage, error: Error::new(code, "", "") }),
            expires_at: None,
        };
        assert_eq!(faults(50.0, Duration::ZERO, 418).clamped(), faults(50.0, Duration::ZERO, 418));
        assert_eq!(faults(200.0, Duration::MAX, 200).clamped(), faults(100.0, Duration::from_secs(3600), 400));
    }
}
