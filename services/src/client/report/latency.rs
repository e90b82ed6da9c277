//! How long calls took.

use std::time::Duration;

use hdrhistogram::Histogram;

/// Longest time that is told from longer ones, in microseconds: twelve days.
const LONGEST: u64 = 1 << 40;
/// Decimal digits that are right.
const DIGITS: u8 = 2;

/// Latencies of calls, in whole microseconds.
#[derive(Debug, Clone)]
pub(super) struct Latencies(Histogram<u32>);

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST, DIGITS).expect("the bounds are a range, and digits may be 0 to 5"))
    }
}

impl Latencies {
    pub(super) fn record(&mut self, latency: Duration) {
        self.0.saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// The latency that a share `q` of the calls did not exceed; none without calls.
    pub(super) fn quantile(&self, q: f64) -> Option<Duration> {
        (!self.0.is_empty()).then(|| Duration::from_micros(self.0.value_at_quantile(q)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_quantiles() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.quantile(0.5), None);
        (1..=1000).for_each(|ms| latencies.record(Duration::from_millis(ms)));
        for (q, expected) in [(0.5, 500.0), (0.99, 990.0), (1.0, 1000.0)] {
            let told = latencies.quantile(q).expect("has calls").as_secs_f64() * 1e3;
            assert!((expected..=expected * 1.125).contains(&told), "{told} instead of {expected}");
        }
    }
}
