//! How long to wait before a process that ended is started again.

use std::time::Duration;

use tokio::time::Instant;

/// A process that ran this long is forgiven its past.
const GOOD_RUN: Duration = Duration::from_secs(10);

/// Doubles from 100 ms to 5 s with each early end.
#[derive(Debug)]
pub(super) struct RestartBackoff(user_info_backoff::Backoff);

impl Default for RestartBackoff {
    fn default() -> Self {
        Self(user_info_backoff::Backoff::new(Duration::from_millis(100), Duration::from_secs(5)))
    }
}

impl RestartBackoff {
    /// The pause after a run that began at `started` and ended now.
    pub(super) fn after(&mut self, started: Instant) -> Duration {
        if started.elapsed() >= GOOD_RUN {
            self.0.reset();
        }
        self.0.pause()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn doubles_and_forgives() {
        let mut backoff = RestartBackoff::default();
        let started = Instant::now();
        let pauses: Vec<u128> = (0..8).map(|_| backoff.after(started).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        tokio::time::advance(GOOD_RUN).await;
        assert_eq!(backoff.after(started).as_millis(), 100);
    }
}
