//! Waiting for a condition with a deadline.

use std::fmt::Debug;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// How long a condition may take to come true, on a machine that is slow and busy.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Time between the first two looks; each further pause is twice as long, up to [`LONGEST`].
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_millis(50);

/// What a look at a condition finds, or sees instead.
pub trait Look {
    /// What was waited for.
    type Found;
    /// What is told of a look in vain.
    type Seen: Debug;

    /// What was found, else what was seen.
    fn found(self) -> Result<Self::Found, Self::Seen>;
}

impl Look for bool {
    type Found = ();
    type Seen = bool;

    fn found(self) -> Result<(), bool> {
        check(self, self)
    }
}

impl<T> Look for Option<T> {
    type Found = T;
    type Seen = Option<()>;

    fn found(self) -> Result<T, Option<()>> {
        self.ok_or(None)
    }
}

impl<T, E: Debug> Look for Result<T, E> {
    type Found = T;
    type Seen = E;

    fn found(self) -> Self {
        self
    }
}

/// Looks until something is found, and returns it.
///
/// # Panics
/// With what was seen last, if that takes longer than [`PATIENCE`].
pub async fn eventually<L: Look>(what: &str, look: impl AsyncFnMut() -> L) -> L::Found {
    within(PATIENCE, what, look).await
}

/// The same, up to `limit`.
///
/// # Panics
/// With what was seen last, if that takes longer.
pub async fn within<L: Look>(limit: Duration, what: &str, mut look: impl AsyncFnMut() -> L) -> L::Found {
    let mut last = None;
    let looks = async {
        let mut pause = SHORTEST;
        loop {
            match look().await.found() {
                Ok(found) => return found,
                Err(seen) => last = Some(seen),
            }
            sleep(pause).await;
            pause = LONGEST.min(2 * pause);
        }
    };
    let Ok(found) = timeout(limit, looks).await else { panic!("not within {limit:?}: {what}; last seen: {last:?}") };
    found
}

/// `Ok` if `holds`, else what was seen.
pub fn check<T>(holds: bool, seen: T) -> Result<(), T> {
    if holds { Ok(()) } else { Err(seen) }
}

/// Looks again and again for a time.
///
/// # Panics
/// If it ever sees anything else than `expected`.
pub async fn stays<T: PartialEq + Debug>(expected: &T, span: Duration, mut look: impl AsyncFnMut() -> T) {
    let end = Instant::now() + span;
    while Instant::now() < end {
        assert_eq!(&look().await, expected);
        sleep(Duration::from_millis(200)).await;
    }
}
