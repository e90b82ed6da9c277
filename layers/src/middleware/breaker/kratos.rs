//! The formula of Google's adaptive throttling ("Handling Overload", Site Reliability Engineering), with the details of Kratos' `sre`.

use super::window::Sums;

/// Probability of refusing a call. `k` is 1 / success ratio; below `minimum` calls nothing is refused.
pub(super) fn rejection(sums: Sums, k: f64, minimum: u32) -> f64 {
    let total = sums.total as f64;
    let excess = total - k * sums.accepts as f64;
    if sums.total < u64::from(minimum) { 0.0 } else { (excess / (total + 1.0)).max(0.0) }
}

/// Whether more calls failed than `k` bears: the breaker is open.
pub(super) fn trips(sums: Sums, k: f64, minimum: u32) -> bool {
    rejection(sums, k, minimum) > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const K: f64 = 1.0 / 0.6;

    fn p(total: u64, accepts: u64) -> f64 {
        rejection(Sums { total, accepts }, K, 100)
    }

    #[test]
    fn refuses_by_the_formula_and_nothing_below_the_minimum() {
        assert_eq!(p(99, 0), 0.0);
        assert_eq!(p(100, 0), 100.0 / 101.0);
        assert!((p(1000, 300) - 500.0 / 1001.0).abs() < 1e-12);
    }

    #[test]
    fn bears_two_failures_in_five() {
        assert!(!trips(Sums { total: 1000, accepts: 601 }, K, 100));
        assert!(trips(Sums { total: 1000, accepts: 599 }, K, 100));
    }
}
