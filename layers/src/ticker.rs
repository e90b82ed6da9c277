//! Deadlines without a timer each.
//!
//! A timer that is due before all others costs a system call to arm, so a timer a call is a system call a call. Instead one ticker a
//! thread looks every 25 ms at what waits there. What waits ends at most one tick late, never early.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pin_project_lite::pin_project;
use slab::Slab;
use tokio::time::{Instant, MissedTickBehavior};

use crate::sync::Mutex;

/// Time between looks.
pub const TICK: Duration = Duration::from_millis(25);

/// What waits on one thread, and until when.
#[derive(Debug, Clone, Default)]
pub struct Ticker {
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    waiters: Slab<Waiter>,
    /// When the ticker last looked.
    looked: Instant,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { waiters: Slab::new(), looked: Instant::now() }
    }
}

#[derive(Debug)]
struct Waiter {
    deadline: Instant,
    waker: Waker,
    expired: bool,
}

impl Ticker {
    /// Looks every [`TICK`], for ever. Runs on the thread whose calls wait.
    pub async fn run(self) {
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            self.expire(interval.tick().await);
        }
    }

    /// Waits for `inner` until `deadline`, and at most one [`TICK`] longer. [`Ticker::run`] must run for it.
    pub const fn limit<F>(self, deadline: Instant, inner: F) -> Limited<F> {
        Limited { inner, alarm: self.alarm(deadline) }
    }

    /// Goes off at `deadline`, and at most one [`TICK`] later. [`Ticker::run`] must run for it.
    pub const fn alarm(self, deadline: Instant) -> Alarm {
        Alarm { deadline, ticker: self, guard: None }
    }

    /// Wakes `waker` after `limit`, give or take a [`TICK`], unless what this returns is dropped before.
    pub fn wake_after(&self, limit: Duration, waker: Waker) -> WakeGuard {
        self.clone().register(waker, |looked| looked + limit)
    }

    /// A place in the list until `deadline`, which may depend on when the ticker last looked.
    fn register(self, waker: Waker, deadline: impl FnOnce(Instant) -> Instant) -> WakeGuard {
        let mut waiting = self.lock();
        let deadline = deadline(waiting.looked);
        let key = waiting.waiters.insert(Waiter { deadline, waker, expired: false });
        drop(waiting);
        WakeGuard { ticker: self, key }
    }

    /// Whether nobody waits.
    #[cfg(test)]
    pub(crate) fn is_idle(&self) -> bool {
        self.lock().waiters.is_empty()
    }

    fn expire(&self, now: Instant) {
        let mut waiting = self.lock();
        waiting.looked = now;
        for (_, waiter) in &mut waiting.waiters {
            if !waiter.expired && waiter.deadline <= now {
                waiter.expired = true;
                waiter.waker.wake_by_ref();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the ticker's list, given back when dropped.
#[derive(Debug)]
pub struct WakeGuard {
    ticker: Ticker,
    key: usize,
}

impl WakeGuard {
    /// Whether the deadline has passed; if not, `waker` is woken once it has.
    fn expired(&self, waker: &Waker) -> bool {
        let mut waiting = self.ticker.lock();
        let waiter = &mut waiting.waiters[self.key];
        let before = (!waiter.waker.will_wake(waker)).then(|| std::mem::replace(&mut waiter.waker, waker.clone()));
        let expired = waiter.expired;
        drop(waiting);
        // With the last waker of a task may go what it waits with, which asks for the lock.
        drop(before);
        expired
    }
}

impl Drop for WakeGuard {
    fn drop(&mut self) {
        let waiter = self.ticker.lock().waiters.remove(self.key);
        // Not under the lock, as above.
        drop(waiter);
    }
}

/// A deadline that somebody looks at when polled.
#[derive(Debug)]
pub struct Alarm {
    deadline: Instant,
    ticker: Ticker,
    guard: Option<WakeGuard>,
}

impl Alarm {
    /// Ready once the deadline has passed; until then, whoever polled last is woken for it.
    pub fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.guard {
            Some(guard) if guard.expired(cx.waker()) => Poll::Ready(()),
            Some(_) => Poll::Pending,
            None => {
                self.guard = Some(self.ticker.clone().register(cx.waker().clone(), |_| self.deadline));
                Poll::Pending
            }
        }
    }
}

/// The deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

pin_project! {
    /// Future of [`Ticker::limit`].
    #[derive(Debug)]
    pub struct Limited<F> {
        #[pin]
        inner: F,
        alarm: Alarm,
    }
}

impl<F: Future> Future for Limited<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.inner.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        this.alarm.poll_elapsed(cx).map(|()| Err(Elapsed))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::task::Wake;

    use super::*;
    use crate::sync::explore;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn wakes_once_after_the_limit_and_not_at_all_if_dropped() {
        let ticker = Ticker::default();
        tokio::spawn(ticker.clone().run());
        let (kept, dropped) = (Arc::<Woken>::default(), Arc::<Woken>::default());
        let guard = ticker.wake_after(Duration::from_secs(1), Arc::clone(&kept).into());
        drop(ticker.wake_after(Duration::from_secs(1), Arc::clone(&dropped).into()));
        tokio::time::sleep(Duration::from_millis(900)).await;
        assert_eq!(kept.0.load(Relaxed), 0);
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!((kept.0.load(Relaxed), dropped.0.load(Relaxed)), (1, 0));
        drop(guard);
        assert!(ticker.is_idle());
    }

    /// As a task that is polled by another thread than the one that looks, and moves from one that polls it to the next.
    #[test]
    fn p3_whoever_polled_last_is_woken() {
        #[derive(Default)]
        struct World {
            ticker: Ticker,
            wakers: [Arc<Woken>; 2],
            alarm: std::sync::Mutex<Option<Alarm>>,
        }
        let deadline = Instant::now() + TICK;
        let poll = |world: &World| {
            let mut alarm = world.ticker.clone().alarm(deadline);
            let last = world.wakers.each_ref().map(|woken| {
                let waker = Waker::from(Arc::clone(woken));
                alarm.poll_elapsed(&mut Context::from_waker(&waker)).is_pending()
            });
            // What has elapsed is done with.
            *world.alarm.lock().unwrap() = last[1].then_some(alarm);
        };
        explore(World::default, &[&poll, &|world| world.ticker.expire(deadline)], |world| {
            let waits = world.alarm.lock().unwrap().is_some();
            world.ticker.expire(deadline + TICK);
            assert!(!waits || world.wakers[1].0.load(Relaxed) == 1);
        });
    }

    #[tokio::test(start_paused = true)]
    async fn what_ends_in_time_is_not_limited() {
        let ticker = Ticker::default();
        tokio::spawn(ticker.clone().run());
        let deadline = Instant::now() + Duration::from_millis(100);
        assert_eq!(ticker.clone().limit(deadline, std::future::ready(7)).await, Ok(7));
        assert_eq!(ticker.clone().limit(deadline, std::future::pending::<()>()).await, Err(Elapsed));
        assert!(deadline.elapsed() <= 2 * TICK);
    }
}
