//! When calls are due, at a rate.

use std::time::Duration;

use tokio::time::Instant;

/// Shortest time between looks; the calls that fall due in between are begun together.
const STEP: Duration = Duration::from_millis(1);
/// What callers that were late may catch up on.
const CATCH_UP: Duration = Duration::from_millis(50);

/// Releases calls so that after any time `t` it has released `rate * t`: what is late is caught up, so the rate is exact.
#[derive(Debug)]
pub(super) struct Pacer {
    rate: u32,
    start: Instant,
    released: u64,
}

impl Pacer {
    /// `rate` calls a second from `start` on, the first at once. 0 is no call ever.
    pub(super) const fn new(rate: u32, start: Instant) -> Self {
        Self { rate, start, released: 0 }
    }

    /// Calls a second.
    pub(super) const fn rate(&self) -> u32 {
        self.rate
    }

    /// Calls that fell due since the last look, if `waiting` that were released before are not begun yet. What the callers cannot keep
    /// up with is forgotten.
    pub(super) fn due(&mut self, waiting: usize, now: Instant) -> usize {
        if self.rate == 0 {
            return 0;
        }
        let passed = now.saturating_duration_since(self.start).as_nanos() * u128::from(self.rate) / 1_000_000_000;
        let due = u64::try_from(passed).unwrap_or(u64::MAX - 1) + 1;
        let new = usize::try_from(due - self.released).unwrap_or(usize::MAX);
        self.released = due;
        let most = (u64::from(self.rate) * CATCH_UP.as_millis() as u64).div_ceil(1000) as usize;
        new.min(most.saturating_sub(waiting))
    }

    /// When to look again; none if never.
    pub(super) fn next(&self, now: Instant) -> Option<Instant> {
        let nanos = u128::from(self.released) * 1_000_000_000;
        let offset = nanos.div_ceil(u128::from(self.rate).max(1));
        let next = self.start + Duration::from_nanos(u64::try_from(offset).unwrap_or(u64::MAX));
        (self.rate > 0).then(|| next.max(now + STEP))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls released in ten seconds to callers that never wait, and the looks it took.
    fn run(rate: u32) -> (usize, usize) {
        let start = Instant::now();
        let (mut pacer, mut now, mut released, mut looks) = (Pacer::new(rate, start), start, 0, 0);
        while now < start + Duration::from_secs(10) {
            released += pacer.due(0, now);
            looks += 1;
            now = pacer.next(now).expect("paced");
        }
        (released, looks)
    }

    #[test]
    fn keeps_the_rate_without_looking_more_often_than_each_millisecond() {
        for rate in [1, 7, 100, 999, 2000, 50_000, 1_000_000] {
            let (released, looks) = run(rate);
            let expected = rate as usize * 10;
            assert!(released.abs_diff(expected) <= expected / 1000 + 1, "{released} instead of {expected}");
            assert!(looks <= 10_001 && looks <= expected, "{looks} looks for {expected} calls");
        }
    }

    #[test]
    fn forgets_what_callers_cannot_keep_up_with() {
        let start = Instant::now();
        let mut pacer = Pacer::new(1000, start);
        assert_eq!(pacer.due(0, start + Duration::from_secs(60)), 50);
        assert_eq!(pacer.due(50, start + Duration::from_secs(61)), 0);
        assert_eq!(pacer.due(0, start + Duration::from_secs(61)), 0);
    }

    #[test]
    fn a_rate_of_zero_never_releases() {
        let start = Instant::now();
        let mut pacer = Pacer::new(0, start);
        assert_eq!((pacer.due(0, start + Duration::from_secs(1)), pacer.next(start)), (0, None));
    }
}
