//! Cuts off a caller that does not take its answer.
//!
//! A caller of HTTP/2 may open no window for an answer, and would keep it, its stream and its room for ever: hyper asks a body for nothing
//! as long as there is no window. The kernel's own limit does not see it, since the connection as such is well.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use pin_project_lite::pin_project;
use tokio::sync::Notify;
use user_info_layers::ticker::{Ticker, WakeGuard};

/// Ends a connection from outside of its task.
#[derive(Debug, Default)]
pub(super) struct Disconnect(Notify);

impl Disconnect {
    /// Waits until it is cut.
    pub(super) async fn wait(&self) {
        self.0.notified().await;
    }
}

impl Wake for Disconnect {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// What a caller is given for each piece of an answer.
#[derive(Debug, Clone)]
pub(super) struct WriteTimeout {
    ticker: Ticker,
    limit: Duration,
    disconnect: Waker,
}

impl WriteTimeout {
    /// Wakes `disconnect` if a piece is not taken within `limit`. [`Ticker::run`] must run for it.
    pub(super) fn new(ticker: Ticker, limit: Duration, disconnect: Arc<Disconnect>) -> Self {
        Self { ticker, limit, disconnect: disconnect.into() }
    }

    fn begin(&self) -> WakeGuard {
        self.ticker.wake_after(self.limit, self.disconnect.clone())
    }
}

/// The service of one connection, each of whose answers has to be taken.
#[derive(Debug, Clone)]
pub(super) struct TimedWrites<S> {
    service: S,
    write_timeout: WriteTimeout,
}

impl<S> TimedWrites<S> {
    /// Serves `service`, which has to be always ready, to a caller with this patience.
    pub(super) const fn new(service: S, write_timeout: WriteTimeout) -> Self {
        Self { service, write_timeout }
    }
}

impl<S, B> hyper::service::Service<Request<Incoming>> for TimedWrites<S>
where
    S: tower::Service<Request<Incoming>, Response = Response<B>> + Clone,
    B: Body,
{
    type Response = Response<TimedBody<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        ResponseFuture { inner: self.service.clone().call(request), write_timeout: self.write_timeout.clone() }
    }
}

pin_project! {
    /// Future of [`TimedWrites`].
    #[derive(Debug)]
    pub(super) struct ResponseFuture<F> {
        #[pin]
        inner: F,
        write_timeout: WriteTimeout,
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<TimedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.inner.poll(cx).map_ok(|response| response.map(|body| TimedBody::new(body, this.write_timeout)))
    }
}

pin_project! {
    /// An answer whose pieces have to be taken in time.
    #[derive(Debug)]
    pub(super) struct TimedBody<B> {
        #[pin]
        body: B,
        write_timeout: WriteTimeout,
        waiting: Option<WakeGuard>,
    }
}

impl<B: Body> TimedBody<B> {
    fn new(body: B, write_timeout: &WriteTimeout) -> Self {
        // An answer without a body needs no window.
        let waiting = (!body.is_end_stream()).then(|| write_timeout.begin());
        Self { body, write_timeout: write_timeout.clone(), waiting }
    }
}

impl<B: Body> Body for TimedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        // Whoever asks has a window. It is the service's turn until it has another piece, and then the caller's.
        *this.waiting = None;
        let piece = this.body.poll_frame(cx);
        if matches!(piece, Poll::Ready(Some(Ok(_)))) {
            *this.waiting = Some(this.write_timeout.begin());
        }
        piece
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{BodyExt, Empty, Full, StreamBody};
    use tokio::time::timeout;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    fn write_timeout() -> (WriteTimeout, Arc<Disconnect>) {
        let (ticker, disconnect) = (Ticker::default(), Arc::new(Disconnect::default()));
        tokio::spawn(ticker.clone().run());
        (WriteTimeout::new(ticker, LIMIT, Arc::clone(&disconnect)), disconnect)
    }

    /// Whether the connection is cut within twice the limit.
    async fn is_disconnected(disconnect: &Disconnect) -> bool {
        timeout(LIMIT * 2, disconnect.wait()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_cuts_the_connection() {
        let (write_timeout, disconnect) = write_timeout();
        let answer = TimedBody::new(Full::new(Bytes::from_static(b"a")), &write_timeout);
        assert!(is_disconnected(&disconnect).await);
        drop(answer);
        // The first piece is taken, the second is not.
        let pieces = [b"a", b"b"].map(|piece| Ok::<_, ()>(Frame::data(Bytes::from_static(piece))));
        let mut answer = TimedBody::new(StreamBody::new(tokio_stream::iter(pieces)), &write_timeout);
        answer.frame().await.expect("a piece").expect("whole");
        assert!(is_disconnected(&disconnect).await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_or_waits_for_more_is_left_alone() {
        let (write_timeout, disconnect) = write_timeout();
        let empty = TimedBody::new(Empty::<Bytes>::new(), &write_timeout);
        drop(TimedBody::new(Full::new(Bytes::from_static(b"a")), &write_timeout));
        let mut endless = TimedBody::new(StreamBody::new(tokio_stream::pending::<Result<Frame<Bytes>, ()>>()), &write_timeout);
        assert!(timeout(LIMIT / 2, endless.frame()).await.is_err());
        assert!(!is_disconnected(&disconnect).await);
        drop((empty, endless));
    }
}
