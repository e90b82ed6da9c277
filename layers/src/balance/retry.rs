//! How many second tries there may be: a share of the calls, so that retries do not multiply an outage.

use std::sync::Mutex;
use std::sync::PoisonError;

use tokio::time::Instant;

/// Retries a second that are always allowed.
const RESERVE_PER_SECOND: f64 = 10.0;
/// Most retries that calls can save up.
const CAPACITY: f64 = 100.0;

/// A token bucket: every call puts in a share of a token, every retry takes one out; ten a second come for free.
///
/// ```
/// use tokio::time::Instant;
/// use user_info_layers::balance::RetryBudget;
///
/// let now = Instant::now();
/// let budget = RetryBudget::new(now);
/// assert!((0..10).all(|_| budget.withdraw(now)), "ten a second are free");
/// assert!(!budget.withdraw(now));
/// (0..5).for_each(|_| budget.deposit(20)); // five calls that allow a fifth of a retry each
/// assert!(budget.withdraw(now));
/// ```
#[derive(Debug)]
pub struct RetryBudget {
    tokens: Mutex<Tokens>,
}

#[derive(Debug)]
struct Tokens {
    earned: f64,
    free: f64,
    at: Instant,
}

impl RetryBudget {
    /// A budget with nothing but the free retries of one second.
    pub fn new(now: Instant) -> Self {
        Self { tokens: Mutex::new(Tokens { earned: 0.0, free: RESERVE_PER_SECOND, at: now }) }
    }

    /// Notes a call that may be retried; `percent` of the calls may be.
    pub fn deposit(&self, percent: u8) {
        let mut tokens = self.lock();
        tokens.earned = (tokens.earned + f64::from(percent) / 100.0).min(CAPACITY);
    }

    /// Takes a retry out, if there is one.
    pub fn withdraw(&self, now: Instant) -> bool {
        let mut tokens = self.lock();
        let passed = now.saturating_duration_since(tokens.at).as_secs_f64();
        tokens.free = (tokens.free + passed * RESERVE_PER_SECOND).min(RESERVE_PER_SECOND);
        tokens.at = tokens.at.max(now);
        for purse in [true, false] {
            let purse = if purse { &mut tokens.earned } else { &mut tokens.free };
            if *purse >= 1.0 {
                *purse -= 1.0;
                return true;
            }
        }
        false
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Tokens> {
        // Three numbers, each valid at any time.
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn allows_a_share_of_the_calls_and_ten_a_second() {
        let t0 = Instant::now();
        let budget = RetryBudget::new(t0);
        let spend = |now| std::iter::from_fn(|| budget.withdraw(now).then_some(())).count();
        assert_eq!(spend(t0), 10);
        (0..50).for_each(|_| budget.deposit(20));
        let after_calls = spend(t0);
        assert!((9..=10).contains(&after_calls), "{after_calls}");
        assert_eq!(spend(t0 + Duration::from_millis(500)), 5);
        assert_eq!(spend(t0 + Duration::from_secs(60)), 10);
    }

    #[test]
    fn p3_times_out_of_order_neither_lose_nor_double_a_retry() {
        let t0 = Instant::now();
        let budget = RetryBudget::new(t0);
        assert!((0..10).all(|_| budget.withdraw(t0)));
        let [early, late] = [100, 200].map(|ms| t0 + Duration::from_millis(ms));
        assert!(budget.withdraw(late));
        assert_eq!([early, late, early, late].map(|at| budget.withdraw(at)), [true, false, false, false], "two in 200 ms");
    }

    #[test]
    fn cannot_save_up_without_end() {
        let t0 = Instant::now();
        let budget = RetryBudget::new(t0);
        (0..100_000).for_each(|_| budget.deposit(100));
        assert_eq!(std::iter::from_fn(|| budget.withdraw(t0).then_some(())).count(), 110);
    }
}
