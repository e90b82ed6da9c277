//! What callers of a listener may make it hold, and for how long.

use std::time::Duration;

/// What callers of a listener may make it hold, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Connections at a time; more are closed at once.
    pub connections: usize,
    /// Until a whole head is there, since the connection was made or the answer before it was taken. So long may a connection be idle.
    pub head: Duration,
    /// Until the whole body of a request is there, since its head was; then it is answered 408.
    pub body: Duration,
    /// For so long a caller may take less of an answer than a kilobyte a second; then it is cut off.
    pub untaken: Duration,
    /// Bytes of answers that are not taken yet, over all connections; more are answered 503. Those up to 4 KiB are not counted.
    pub answers: usize,
}

impl Bounds {
    /// For a listener of which a process has one beside others.
    pub const DEFAULT: Self = Self {
        connections: 128,
        head: Duration::from_secs(15),
        body: Duration::from_secs(15),
        untaken: Duration::from_secs(20),
        answers: 64 << 20,
    };
}

impl Default for Bounds {
    fn default() -> Self {
        Self::DEFAULT
    }
}
