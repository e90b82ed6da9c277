//! The body of a request that ends with the service, so that a conversation without an end of its own does not outlive it.

use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame};
use pin_project_lite::pin_project;
use tokio::sync::watch;

pin_project! {
    /// `body` until its end, or until the service stops.
    pub(super) struct WhileRunning<B> {
        #[pin]
        body: B,
        stopped: Pin<Box<dyn Future<Output = ()> + Send>>,
    }
}

impl<B> WhileRunning<B> {
    /// Ends `body` when `stopping` turns true. What has come by then is read first.
    pub(super) fn new(body: B, mut stopping: watch::Receiver<bool>) -> Self {
        Self { body, stopped: Box::pin(async move { drop(stopping.wait_for(|stopping| *stopping).await) }) }
    }
}

impl<B: Body> Body for WhileRunning<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        let this = self.project();
        match this.body.poll_frame(cx) {
            Poll::Pending => this.stopped.as_mut().poll(cx).map(|()| None),
            ready => ready,
        }
    }
}
