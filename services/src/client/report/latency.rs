//! A histogram of latencies with eight buckets to each doubling: quantiles are right to one part in eight.

use std::time::Duration;

const SUB_BITS: u32 = 3;
const SUB: u64 = 1 << SUB_BITS;
/// Up to 2^40 us, which is twelve days.
const BUCKETS: usize = (41 - SUB_BITS as usize) * SUB as usize;

/// Latencies of calls, in whole microseconds.
#[derive(Debug, Clone)]
pub(super) struct Latencies {
    counts: Box<[u32; BUCKETS]>,
    total: u64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: Box::new([0; BUCKETS]), total: 0 }
    }
}

impl Latencies {
    pub(super) fn record(&mut self, latency: Duration) {
        let us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        let bucket = bucket(us).min(BUCKETS - 1);
        self.counts[bucket] = self.counts[bucket].saturating_add(1);
        self.total += 1;
    }

    /// The latency that a share `q` of the calls did not exceed; none without calls.
    pub(super) fn quantile(&self, q: f64) -> Option<Duration> {
        let rank = (self.total as f64 * q).ceil().max(1.0) as u64;
        let mut seen = 0;
        let found = self.counts.iter().position(|count| {
            seen += u64::from(*count);
            seen >= rank
        });
        found.map(|bucket| Duration::from_micros(upper(bucket)))
    }
}

/// Values below 8 have a bucket each; above, the three bits after the leading one choose among the eight of its doubling.
const fn bucket(us: u64) -> usize {
    if us < SUB {
        return us as usize;
    }
    let shift = us.ilog2() - SUB_BITS;
    (shift as u64 * SUB + (us >> shift)) as usize
}

/// The largest value of a bucket.
const fn upper(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * SUB {
        return bucket;
    }
    let shift = bucket / SUB - 1;
    ((bucket % SUB + SUB + 1) << shift) - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_lies_in_a_bucket_at_most_an_eighth_wide() {
        for us in (0..100_000).chain((0..40).map(|i| 1 << i)) {
            let top = upper(bucket(us));
            assert!(us <= top && top - us <= us / 8, "{us} in a bucket up to {top}");
        }
    }

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
