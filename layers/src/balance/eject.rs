//! Outlier ejection: an instance whose calls time out, or whose connections break, one after the other, is left alone for a while.

use std::time::Duration;

use tokio::time::Instant;

use super::OutlierEjection;

/// What an instance has been through.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Record {
    /// End of the last ejection.
    until: Option<Instant>,
    /// How long it lasted.
    lasted: Duration,
}

impl Record {
    /// When an ejection in force ends.
    pub(super) fn out_until(&self, now: Instant) -> Option<Instant> {
        self.until.filter(|until| *until > now)
    }

    /// The record after an ejection at `now`: it lasts for the base time, or twice as long as the last one if the instance did not stay
    /// in the rotation for as long as it had been out.
    pub(super) fn eject(self, settings: &OutlierEjection, now: Instant) -> Self {
        let relapse = self.until.is_some_and(|until| now < until + self.lasted);
        let base = settings.base_ejection_time;
        let lasted = if relapse { self.lasted.saturating_mul(2) } else { base };
        let lasted = lasted.clamp(base, settings.max_ejection_time);
        Self { until: Some(now + lasted), lasted }
    }
}

/// Whether one more of `known` instances may be ejected while `out` are. Rounded down: one instance alone is never ejected.
pub(super) fn may_eject(settings: &OutlierEjection, known: usize, out: usize) -> bool {
    settings.enabled && out < known * usize::from(settings.max_ejection_percent) / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> OutlierEjection {
        OutlierEjection::default()
    }

    #[test]
    fn each_relapse_doubles_the_time_up_to_the_maximum_and_good_behaviour_resets_it() {
        let mut now = Instant::now();
        let mut record = Record::default();
        for expected in [5, 10, 20, 40, 60, 60] {
            record = record.eject(&settings(), now);
            assert_eq!(record.out_until(now), Some(now + Duration::from_secs(expected)));
            now += Duration::from_secs(expected + 1);
            assert_eq!(record.out_until(now), None);
        }
        now += Duration::from_secs(60);
        assert_eq!(record.eject(&settings(), now).out_until(now), Some(now + Duration::from_secs(5)));
    }

    #[test]
    fn never_more_than_the_percentage_rounded_down() {
        let allowed = |known| (0..=known).find(|out| !may_eject(&settings(), known, *out));
        assert_eq!([1, 2, 3, 4, 5].map(allowed), [Some(0), Some(1), Some(1), Some(2), Some(2)]);
        assert!(!may_eject(&OutlierEjection { enabled: false, ..settings() }, 10, 0));
        assert!(!may_eject(&OutlierEjection { max_ejection_percent: 0, ..settings() }, 10, 0));
    }
}
