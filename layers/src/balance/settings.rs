//! How calls are spread over instances, and when an instance is left alone.

use std::time::Duration;

/// Which instance gets the next call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LoadBalancing {
    /// Smooth weighted round-robin, by the instances' weights.
    #[default]
    WeightedRoundRobin,
    /// The better of two random instances, by latency, success and calls in flight; ignores weights.
    P2C,
    /// Any, each as likely; ignores weights.
    Random,
}

/// When an instance whose calls time out, or whose connections break, is taken out of the rotation, and for how long.
///
/// Values out of range are taken as the nearest in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutlierEjection {
    /// Whether instances are ejected.
    pub enabled: bool,
    /// Timeouts or connection failures in a row that eject an instance, at least 1.
    pub consecutive_failures: u32,
    /// How long the first ejection lasts, 100 ms to 10 min. An instance ejected again within that time after its return is out for twice as
    /// long, up to `max_ejection_time`.
    pub base_ejection_time: Duration,
    /// The longest ejection, up to 1 h, and at least `base_ejection_time`.
    pub max_ejection_time: Duration,
    /// Most instances ejected at a time, in percent, 0 to 50.
    pub max_ejection_percent: u8,
}

impl Default for OutlierEjection {
    fn default() -> Self {
        Self {
            enabled: true,
            consecutive_failures: 5,
            base_ejection_time: Duration::from_secs(5),
            max_ejection_time: Duration::from_secs(60),
            max_ejection_percent: 50,
        }
    }
}

impl OutlierEjection {
    /// The same within the ranges.
    pub(super) fn clamped(self) -> Self {
        let base_ejection_time = self.base_ejection_time.clamp(Duration::from_millis(100), Duration::from_secs(600));
        Self {
            enabled: self.enabled,
            consecutive_failures: self.consecutive_failures.max(1),
            base_ejection_time,
            max_ejection_time: self.max_ejection_time.clamp(base_ejection_time, Duration::from_secs(3600)),
            max_ejection_percent: self.max_ejection_percent.min(50),
        }
    }
}

/// Second tries of calls that failed with 500 or 503, on another instance if there is one; a broken connection is a 503, too.
///
/// The first instance may have carried the call out, so repeating it has to be safe. A call that surely was not begun is no matter of
/// retries: it is offered to another instance whether they are enabled or not. Values out of range are taken as the nearest in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Whether failed calls are tried again.
    pub enabled: bool,
    /// Tries a call has in all, the first included, 2 to 5.
    pub max_attempts: u8,
    /// Most retries, in percent of the calls, 1 to 100; ten a second come on top.
    pub budget_percent: u8,
}

impl Default for Retries {
    fn default() -> Self {
        Self { enabled: false, max_attempts: 2, budget_percent: 20 }
    }
}

impl Retries {
    /// The same within the ranges.
    pub(super) fn clamped(self) -> Self {
        Self { max_attempts: self.max_attempts.clamp(2, 5), budget_percent: self.budget_percent.clamp(1, 100), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_in_range_and_what_is_not_is_taken_as_the_nearest() {
        assert_eq!(OutlierEjection::default().clamped(), OutlierEjection::default());
        assert_eq!(Retries::default().clamped(), Retries::default());
        let ejection = OutlierEjection {
            enabled: true,
            consecutive_failures: 0,
            base_ejection_time: Duration::MAX,
            max_ejection_time: Duration::ZERO,
            max_ejection_percent: 100,
        };
        let ten_minutes = Duration::from_secs(600);
        let nearest = OutlierEjection {
            enabled: true,
            consecutive_failures: 1,
            base_ejection_time: ten_minutes,
            max_ejection_time: ten_minutes,
            max_ejection_percent: 50,
        };
        assert_eq!(ejection.clamped(), nearest);
        let retries = Retries { enabled: true, max_attempts: 0, budget_percent: 200 };
        assert_eq!(retries.clamped(), Retries { enabled: true, max_attempts: 2, budget_percent: 100 });
    }
}
