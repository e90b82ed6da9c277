//! When a breaker opens, and how it closes.

use std::time::Duration;

/// When a breaker opens, and how it closes. Values out of range are taken as the nearest in it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerSettings {
    /// Whether the breaker is in force.
    pub enabled: bool,
    /// How it opens and closes.
    pub mode: Mode,
    /// Share of calls that must succeed, 0.01 to 1; the breaker opens below it (K = 1 / `success_ratio`).
    pub success_ratio: f64,
    /// Calls within the window before the breaker may open, at least 1.
    pub minimum_requests: u32,
    /// Length of the rolling window, 100 ms to 10 min; it has 10 buckets.
    pub window: Duration,
    /// Calls a second that pass an open breaker ([`Mode::Bounded`]) as long as nothing speaks for the service, 1 to 10 000.
    pub probes_per_second: u32,
}

/// How a breaker opens and closes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Its own refusals do not count; open, a few probes a second pass, and more step by step as they meet the ratio, until it closes.
    #[default]
    Bounded,
    /// Its own refusals count as failures, as in Go-Kratos; after an outage it needs 15 to 24 s.
    Kratos,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            mode: Mode::Bounded,
            success_ratio: 0.6,
            minimum_requests: 100,
            window: Duration::from_secs(3),
            probes_per_second: 5,
        }
    }
}

impl BreakerSettings {
    /// The same within the ranges.
    pub(super) fn clamped(self) -> Self {
        Self {
            success_ratio: self.success_ratio.clamp(0.01, 1.0),
            minimum_requests: self.minimum_requests.max(1),
            window: self.window.clamp(Duration::from_millis(100), Duration::from_secs(600)),
            probes_per_second: self.probes_per_second.clamp(1, 10_000),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_in_range_and_what_is_not_is_taken_as_the_nearest() {
        assert_eq!(BreakerSettings::default().clamped(), BreakerSettings::default());
        let settings = BreakerSettings {
            success_ratio: 0.0,
            minimum_requests: 0,
            window: Duration::ZERO,
            probes_per_second: 0,
            ..BreakerSettings::default()
        };
        let nearest = BreakerSettings {
            success_ratio: 0.01,
            minimum_requests: 1,
            window: Duration::from_millis(100),
            probes_per_second: 1,
            ..BreakerSettings::default()
        };
        assert_eq!(settings.clamped(), nearest);
    }
}
