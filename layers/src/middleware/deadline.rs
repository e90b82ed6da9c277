//! Ends calls that take too long, without a timer a call: see [`ticker`](crate::ticker).

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use pin_project_lite::pin_project;
use tower::{Layer, Service};

use crate::ticker::{Limited, Ticker};
use crate::{Call, Error};

/// Answers 504 TIMEOUT for a call that outlives the timeout or its caller's own deadline.
///
/// ```
/// use std::time::Duration;
/// use tower::{Layer, ServiceExt};
/// use user_info_layers::middleware::deadline::DeadlineLayer;
/// use user_info_layers::ticker::Ticker;
/// use user_info_layers::{Call, Error, Kind};
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
    use tokio::time::Instant;
    use tower::ServiceExt;

    use super::*;
    use crate::Kind;
    use crate::ticker::TICK;

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
        assert!(ticker.is_idle(), "a place was leaked");
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
