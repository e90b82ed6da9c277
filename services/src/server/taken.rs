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
use user_info_layers::ticker::{Place, Ticker};

/// Ends a connection from outside of its task.
#[derive(Debug, Default)]
pub(super) struct Cut(Notify);

impl Cut {
    /// Waits until it is cut.
    pub(super) async fn wait(&self) {
        self.0.notified().await;
    }
}

impl Wake for Cut {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// What a caller is given for each piece of an answer.
#[derive(Debug, Clone)]
pub(super) struct Patience {
    ticker: Ticker,
    limit: Duration,
    cut: Waker,
}

impl Patience {
    /// Cuts `cut` if a piece is not taken within `limit`. [`Ticker::run`] must run for it.
    pub(super) fn new(ticker: Ticker, limit: Duration, cut: Arc<Cut>) -> Self {
        Self { ticker, limit, cut: cut.into() }
    }

    fn begin(&self) -> Place {
        self.ticker.wake_after(self.limit, self.cut.clone())
    }
}

/// The service of one connection, each of whose answers has to be taken.
#[derive(Debug, Clone)]
pub(super) struct Tended<S> {
    service: S,
    patience: Patience,
}

impl<S> Tended<S> {
    /// Serves `service`, which has to be always ready, to a caller with this patience.
    pub(super) const fn new(service: S, patience: Patience) -> Self {
        Self { service, patience }
    }
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Tended<S>
where
    S: tower::Service<Request<Incoming>, Response = Response<B>> + Clone,
    B: Body,
{
    type Response = Response<Taken<B>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        ResponseFuture { inner: self.service.clone().call(request), patience: self.patience.clone() }
    }
}

pin_project! {
    /// Future of [`Tended`].
    #[derive(Debug)]
    pub(super) struct ResponseFuture<F> {
        #[pin]
        inner: F,
        patience: Patience,
    }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<Taken<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.inner.poll(cx).map_ok(|response| response.map(|body| Taken::new(body, this.patience)))
    }
}

pin_project! {
    /// An answer whose pieces have to be taken in time.
    #[derive(Debug)]
    pub(super) struct Taken<B> {
        #[pin]
        body: B,
        patience: Patience,
        waiting: Option<Place>,
    }
}

impl<B: Body> Taken<B> {
    fn new(body: B, patience: &Patience) -> Self {
        // An answer without a body needs no window.
        let waiting = (!body.is_end_stream()).then(|| patience.begin());
        Self { body, patience: patience.clone(), waiting }
    }
}

impl<B: Body> Body for Taken<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        // Whoever asks has a window. It is the service's turn until it has another piece, and then the caller's.
        *this.waiting = None;
        let piece = this.body.poll_frame(cx);
        if matches!(piece, Poll::Ready(Some(Ok(_)))) {
            *this.waiting = Some(this.patience.begin());
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

    fn patience() -> (Patience, Arc<Cut>) {
        let (ticker, cut) = (Ticker::default(), Arc::new(Cut::default()));
        tokio::spawn(ticker.clone().run());
        (Patience::new(ticker, LIMIT, Arc::clone(&cut)), cut)
    }

    /// Whether the connection is cut within twice the limit.
    async fn is_cut(cut: &Cut) -> bool {
        timeout(LIMIT * 2, cut.wait()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_is_not_taken_cuts_the_connection() {
        let (patience, cut) = patience();
        let answer = Taken::new(Full::new(Bytes::from_static(b"a")), &patience);
        assert!(is_cut(&cut).await);
        drop(answer);
        // The first piece is taken, the second is not.
        let pieces = [b"a", b"b"].map(|piece| Ok::<_, ()>(Frame::data(Bytes::from_static(piece))));
        let mut answer = Taken::new(StreamBody::new(tokio_stream::iter(pieces)), &patience);
        answer.frame().await.expect("a piece").expect("whole");
        assert!(is_cut(&cut).await);
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_or_waits_for_more_is_left_alone() {
        let (patience, cut) = patience();
        let empty = Taken::new(Empty::<Bytes>::new(), &patience);
        drop(Taken::new(Full::new(Bytes::from_static(b"a")), &patience));
        let mut endless = Taken::new(StreamBody::new(tokio_stream::pending::<Result<Frame<Bytes>, ()>>()), &patience);
        assert!(timeout(LIMIT / 2, endless.frame()).await.is_err());
        assert!(!is_cut(&cut).await);
        drop((empty, endless));
    }
}
