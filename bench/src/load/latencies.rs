//! How long replies took.

use std::time::{Duration, Instant};

/// Length of a window.
const WINDOW: Duration = Duration::from_millis(100);

/// Latencies of replies, by the windows of 100 ms that the replies came in.
#[derive(Debug)]
pub struct Latencies {
    begun: Instant,
    /// Microseconds, a list a window.
    windows: Vec<Vec<u32>>,
}

impl Latencies {
    pub(super) fn new(begun: Instant) -> Self {
        Self { begun, windows: Vec::new() }
    }

    /// Notes a reply that came `now` to a call that was due at `due`.
    pub(super) fn push(&mut self, due: Instant, now: Instant) {
        let window = ((now - self.begun).as_nanos() / WINDOW.as_nanos()) as usize;
        if window >= self.windows.len() {
            self.windows.resize_with(window + 1, Vec::new);
        }
        self.windows[window].push((now - due).as_micros() as u32);
    }

    /// Microseconds that each reply took.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        self.windows.iter().flatten().copied()
    }

    /// How many replies there were.
    pub fn calls(&self) -> usize {
        self.windows.iter().map(Vec::len).sum()
    }

    /// Microseconds that this part of all replies took at most; 0 if there are none.
    pub fn quantile(&self, part: f64) -> u32 {
        quantile(self.iter().collect(), part)
    }

    /// The same for the median window: what it is while nothing else holds the machine up.
    pub fn undisturbed(&self, part: f64) -> u32 {
        let windows = self.windows.iter().filter(|window| !window.is_empty());
        quantile(windows.map(|window| quantile(window.clone(), part)).collect(), 0.5)
    }
}

fn quantile(mut values: Vec<u32>, part: f64) -> u32 {
    values.sort_unstable();
    values.get((values.len().saturating_sub(1) as f64 * part) as usize).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_window_is_in_the_whole_but_not_in_the_median_of_windows() {
        let begun = Instant::now();
        let mut latencies = Latencies::new(begun);
        assert_eq!((latencies.calls(), latencies.quantile(0.99), latencies.undisturbed(0.99)), (0, 0, 0));
        for window in [0, 1, 1, 3] {
            for call in 1..=100 {
                let due = begun + WINDOW * window;
                latencies.push(due, due + Duration::from_micros(if window == 3 { 50_000 } else { call }));
            }
        }
        assert_eq!((latencies.calls(), latencies.quantile(0.99), latencies.undisturbed(0.99)), (400, 50_000, 99));
        assert_eq!((latencies.quantile(0.5), latencies.undisturbed(0.5)), (67, 50));
    }
}
