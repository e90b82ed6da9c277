//! A bound on how long a query takes, without a timer a query.
//!
//! A timer that is armed earlier than all others makes the runtime write to its own event descriptor: one system call a query. Here one
//! timer ticks on across queries, is armed again only when it has fired, and not at all while nothing runs.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Ticks that a future may see.
const TICKS: u32 = 4;

/// Runs futures one at a time, each for 75 to 100 % of a duration at most.
#[derive(Debug)]
pub(super) struct Bound {
    tick: Duration,
    ticker: Pin<Box<Sleep>>,
}

impl Bound {
    /// Bounds futures to `longest`.
    pub(super) fn new(longest: Duration) -> Self {
        let tick = longest / TICKS;
        Self { tick, ticker: Box::pin(tokio::time::sleep(tick)) }
    }

    /// What `future` returns, or `None` if it takes too long; then it is dropped.
    pub(super) async fn run<F: Future>(&mut self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut ticks = 0;
        // A tick from before says nothing about this future.
        let mut stale = self.ticker.is_elapsed();
        poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            while stale || self.ticker.as_mut().poll(cx).is_ready() {
                ticks += u32::from(!stale);
                if ticks == TICKS {
                    return Poll::Ready(None);
                }
                stale = false;
                self.ticker.as_mut().reset(Instant::now() + self.tick);
            }
            Poll::Pending
        })
        .await
    }
}
