//! Time in nanoseconds as one word: it fits into an atomic, and two words are several times dearer to divide.

use std::time::Duration;

use tokio::time::Instant;

/// Nanoseconds of `duration`, 584 years at most.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Nanoseconds from `start` to `now`, 0 if `now` is before it.
pub(crate) fn nanos_since(start: Instant, now: Instant) -> u64 {
    nanos(now.saturating_duration_since(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_the_most_that_does() {
        assert_eq!(nanos(Duration::new(3, 5)), 3_000_000_005);
        assert_eq!(nanos(Duration::from_nanos(u64::MAX)), u64::MAX);
        assert_eq!(nanos(Duration::MAX), u64::MAX);
    }

    #[test]
    fn what_is_past_is_no_time_away() {
        let start = Instant::now();
        assert_eq!(nanos_since(start, start + Duration::from_millis(2)), 2_000_000);
        assert_eq!(nanos_since(start + Duration::from_millis(2), start), 0);
    }
}
