//! Pauses between attempts that double with each failure.

use std::time::Duration;

/// Exponential backoff: how many failures there were in a row, and how long to pause after them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    /// The least and the most of a pause that is waited, as parts of it.
    spread: (f64, f64),
    failures: u32,
}

impl Backoff {
    /// Pauses from `first` to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, spread: (1.0, 1.0), failures: 0 }
    }

    /// Draws each pause between `least` and `most` of it, evenly, so that many callers do not come back together.
    pub const fn with_jitter(self, least: f64, most: f64) -> Self {
        Self { spread: (least, most), ..self }
    }

    /// Counts one more failure and returns the pause after it.
    pub fn pause(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        let (least, most) = self.spread;
        self.after(self.failures).mul_f64(least + (most - least) * fastrand::f64())
    }

    /// Forgets all failures.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }

    /// The pause after so many failures in a row, at least one, without jitter.
    pub fn after(&self, failures: u32) -> Duration {
        self.first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));

    #[test]
    fn doubles_up_to_the_longest_and_starts_over() {
        let (mut exact, mut spread) = (BACKOFF, BACKOFF.with_jitter(0.5, 1.0));
        for full in [100, 200, 400, 800, 1000, 1000] {
            assert_eq!(exact.pause().as_millis(), full);
            let delay = spread.pause().as_millis();
            assert!((full / 2..=full).contains(&delay), "{delay} ms of {full} ms");
        }
        spread.reset();
        assert!(spread.pause() <= Duration::from_millis(100));
    }

    #[test]
    fn does_not_overflow() {
        let mut backoff = Backoff { failures: u32::MAX, ..BACKOFF };
        assert!(backoff.pause() <= Duration::from_secs(1));
        assert_eq!(BACKOFF.after(u32::MAX), Duration::from_secs(1));
    }
}
