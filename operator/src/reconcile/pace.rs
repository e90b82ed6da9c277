//! When a resource is looked at again.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use user_info_backoff::Backoff;

use crate::reason::Class;

/// Failures in a row from which on even one that time mends is told of in the status.
pub const PATIENCE: u32 = 3;
/// A resource at rest is looked at this often although nothing has changed, in case a change was missed.
const AT_REST: Duration = Duration::from_secs(3600);

/// How long to wait after `failures` failures in a row, at least one.
pub fn after_failure(class: Class, failures: u32) -> Duration {
    let (first, longest) = class.pauses();
    Backoff::new(first, longest).after(failures)
}

/// How long to wait after a release failed `failures` times in a row, at least once, until it is tried again.
pub fn after_failed_release(failures: u32) -> Duration {
    Backoff::new(Duration::from_secs(1), Duration::from_secs(300)).after(failures)
}

/// How long to wait after `looks` looks in a row at which pods were missing. What becomes of pods that never get ready does not show in
/// what is watched. After some ten minutes it is hardly news any more.
pub fn next_look(looks: u32) -> Duration {
    match looks {
        0 => AT_REST,
        1..=30 => Backoff::new(Duration::from_secs(1), Duration::from_secs(20)).after(looks),
        _ => Duration::from_secs(300),
    }
}

/// The time until `then`; none if it has passed.
pub fn until(then: Timestamp, now: Timestamp) -> Option<Duration> {
    Duration::try_from(then.duration_since(now)).ok().filter(|left| !left.is_zero())
}

/// The shorter of two, if any.
pub fn sooner(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    a.into_iter().chain(b).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_limit() {
        let pauses = |class| [1, 2, 3, 30].map(|failures| after_failure(class, failures).as_millis());
        assert_eq!(pauses(Class::Transient), [500, 1000, 2000, 60_000]);
        assert_eq!(pauses(Class::Configuration), [1000, 2000, 4000, 15_000]);
        assert_eq!([1, 2, 3, 30].map(|failures| after_failed_release(failures).as_secs()), [1, 2, 4, 300]);
        assert_eq!([0, 1, 2, 9, 40].map(|looks| next_look(looks).as_secs()), [3600, 1, 2, 20, 300]);
    }

    #[test]
    fn the_past_is_not_waited_for() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        assert_eq!(until(at(10), at(4)), Some(Duration::from_secs(6)));
        assert_eq!(until(at(4), at(4)), None);
        assert_eq!(until(at(3), at(4)), None);
        assert_eq!(sooner(None, Some(LOOK)), Some(LOOK));
        assert_eq!(sooner(Some(AT_REST), Some(LOOK)), Some(LOOK));
    }

    const LOOK: Duration = Duration::from_secs(1);
}
