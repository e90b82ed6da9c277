//! Ends calls that take too long, without a timer a call.
//!
//! A timer that is due before all others costs a system call to arm, so a timer a call is a system call a call. Instead one ticker a
//! worker looks every 25 ms at the calls in flight. A call ends at most one tick late, never early.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pin_project_lite::pin_project;
use slab::Slab;
use tokio::time::{Instant, MissedTickBehavior};
use tower::{Layer, Service};

use crate::{Call, Error};

/// Time between looks at the calls in flight.
pub const TICK: Duration = Duration::from_millis(25);

/// The calls of one worker that have not ended, and when each has to.
#[derive(Debug, Clone, Default)]
pub struct Ticker {
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    entries: Slab<Entry>,
    /// When the ticker last looked.
    looked: Instant,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { entries: Slab::new(), looked: Instant::now() }
    }
}

#[derive(Debug)]
struct Entry {
    deadline: Instant,
    waker: Waker,
    expired: bool,
}

impl Ticker {
    /// Looks at the calls every [`TICK`], for ever. Runs on the worker that owns them.
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
        Alarm { deadline, ticker: self, place: None }
    }

    /// Wakes `waker` after `limit`, give or take a [`TICK`], unless what this returns is dropped before.
    pub(crate) fn wake_after(&self, limit: Duration, waker: Waker) -> Place {
        let mut waiting = self.lock();
        let deadline = waiting.looked + limit;
        let key = waiting.entries.insert(Entry { deadline, waker, expired: false });
        drop(waiting);
        Place { ticker: self.clone(), key }
    }

    fn expire(&self, now: Instant) {
        let mut waiting = self.lock();
        waiting.looked = now;
        for (_, entry) in &mut waiting.entries {
            if !entry.expired && entry.deadline <= now {
                entry.expired = true;
                entry.waker.wake_by_ref();
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the ticker's list, given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    ticker: Ticker,
    key: usize,
}

impl Place {
    fn take(ticker: Ticker, deadline: Instant, waker: Waker) -> Self {
        let key = ticker.lock().entries.insert(Entry { deadline, waker, expired: false });
        Self { ticker, key }
    }

    /// Whether the deadline has passed; if not, `waker` is woken once it has.
    fn expired(&self, waker: &Waker) -> bool {
        let mut waiting = self.ticker.lock();
        let entry = &mut waiting.entries[self.key];
        entry.waker.clone_from(waker);
        entry.expired
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.ticker.lock().entries.remove(self.key);
    }
}

/// A deadline that somebody looks at when polled.
#[derive(Debug)]
pub struct Alarm {
    deadline: Instant,
    ticker: Ticker,
    place: Option<Place>,
}

impl Alarm {
    /// Ready once the deadline has passed; until then, whoever polled last is woken for it.
    pub fn poll_elapsed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match &self.place {
            Some(place) if place.expired(cx.waker()) => Poll::Ready(()),
            Some(_) => Poll::Pending,
            None => {
                self.place = Some(Place::take(self.ticker.clone(), self.deadline, cx.waker().clone()));
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

/// Answers 504 TIMEOUT for a call that outlives the timeout or its caller's own deadline.
///
/// ```
/// use std::time::Duration;
/// use tower::{Layer, ServiceExt};
/// use user_info_services::middleware::deadline::{DeadlineLayer, Ticker};
/// use user_info_services::{Call, Error, Kind};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let ticker = Ticker::default();
/// tokio::spawn(ticker.clone().run()); // one for all calls of this thread
/// let service = DeadlineLayer::new(ticker, Duration::from_millis(20))
///     .layer(tower::service_fn(async |_: Call<()>| std::future::pending::<Result<(), Error>>().await));
/// assert_eq!(service.oneshot(Call::new(Kind::Grpc, "/op", ())).await, Err(Error::TIMEOUT));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct DeadlineLayer {
    ticker: Ticker,
    timeout: Duration,
}

impl DeadlineLayer {
    /// Gives every call at most `timeout`. [`Ticker::run`] must run for it.
    pub const fn new(ticker: Ticker, timeout: Duration) -> Self {
        Self { ticker, timeout }
    }
}

impl<S> Layer<S> for DeadlineLayer {
    type Service = Deadline<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Deadline { inner, layer: self.clone() }
    }
}

/// Ends calls of `S` that take too long.
#[derive(Debug, Clone)]
pub struct Deadline<S> {
    inner: S,
    layer: DeadlineLayer,
}

impl<S, M> Service<Call<M>> for Deadline<S>
where
    S: Service<Call<M>, Error = Error>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut call: Call<M>) -> Self::Future {
        let own = call.received + self.layer.timeout;
        let deadline = call.deadline.map_or(own, |callers| callers.min(own));
        call.deadline = Some(deadline);
        let late = deadline <= call.received;
        ResponseFuture { late, inner: self.layer.ticker.clone().limit(deadline, self.inner.call(call)) }
    }
}

pin_project! {
    /// Future of [`Deadline`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: Limited<F>,
        late: bool,
    }
}

impl<T, F: Future<Output = Result<T, Error>>> Future for ResponseFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if *this.late {
            return Poll::Ready(Err(Error::TIMEOUT)); // the caller has given up before it asked
        }
        this.inner.poll(cx).map(|result| result.unwrap_or(Err(Error::TIMEOUT)))
    }
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt;

    use super::*;
    use crate::Kind;

    async fn ends_after(timeout: u64, callers: Option<u64>, takes: u64) -> (Result<(), Error>, u64) {
        let ticker = Ticker::default();
        let running = tokio::spawn(ticker.clone().run());
        let layer = DeadlineLayer::new(ticker.clone(), Duration::from_millis(timeout));
        let service = layer.layer(tower::service_fn(move |_: Call<()>| async move {
            tokio::time::sleep(Duration::from_millis(takes)).await;
            Ok(())
        }));
        let mut call = Call::new(Kind::Grpc, "/op", ());
        call.deadline = callers.map(|ms| call.received + Duration::from_millis(ms));
        let begun = Instant::now();
        let result = service.oneshot(call).await;
        running.abort();
        assert!(ticker.lock().entries.is_empty(), "a place was leaked");
        (result, begun.elapsed().as_millis() as u64)
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_in_time_is_left_alone() {
        assert_eq!(ends_after(1000, None, 900).await.0, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn the_shorter_of_timeout_and_callers_deadline_ends_the_call() {
        for (timeout, callers, expected) in [(1000, None, 1000), (1000, Some(200), 200), (300, Some(2000), 300)] {
            let (result, took) = ends_after(timeout, callers, 5000).await;
            assert_eq!(result, Err(Error::TIMEOUT));
            assert!((expected..=expected + 2 * TICK.as_millis() as u64).contains(&took), "{took} ms instead of {expected}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_has_passed_ends_the_call_at_once() {
        let (result, took) = ends_after(1000, Some(0), 1).await;
        assert_eq!((result, took), (Err(Error::TIMEOUT), 0));
    }
}
