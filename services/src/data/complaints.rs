//! Log lines about what is stored, however often it is asked for.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::loader::LoadError;

/// Time between two lines.
const PAUSE: Duration = Duration::from_secs(1);

/// Writes one line a second at most: callers choose how often a user is read, and must not fill the log by it.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    last: Mutex<Option<Instant>>,
}

impl Complaints {
    /// Says what is wrong with a user that was read, if that is what `error` is about.
    pub(super) fn malformed(&self, error: &LoadError) {
        if let LoadError::Malformed(problem) = error
            && self.is_due(Instant::now())
        {
            tracing::warn!(%problem, "a stored user cannot be read");
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| now.duration_since(last) >= PAUSE);
        if due {
            *last = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_line_a_second() {
        let (complaints, start) = (Complaints::default(), Instant::now());
        let due = [0, 1, 999, 1000, 1001, 2500].map(|ms| complaints.is_due(start + Duration::from_millis(ms)));
        assert_eq!(due, [true, false, false, true, false, true]);
    }
}
