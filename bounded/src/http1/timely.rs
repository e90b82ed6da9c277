//! The body of a request, which has to come in time.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use http::Request;
use hyper::body::{Body as _, Frame, Incoming, SizeHint};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

/// Whether a body was waited for and did not come in time.
#[derive(Debug, Clone, Default)]
pub(super) struct Missed(Arc<AtomicBool>);

impl Missed {
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Relaxed)
    }
}

pin_project! {
    /// A body that fails unless all of it is there at a deadline.
    #[derive(Debug)]
    pub(super) struct Timely {
        #[pin]
        body: Incoming,
        deadline: Instant,
        sleep: Option<Pin<Box<Sleep>>>,
        missed: Missed,
    }
}

impl Timely {
    /// The request with its body until `deadline`, and what tells later whether that was missed.
    pub(super) fn request(request: Request<Incoming>, deadline: Instant) -> (Request<Body>, Missed) {
        let missed = Missed::default();
        let told = missed.clone();
        (request.map(|body| Body::new(Self { body, deadline, sleep: None, missed: told })), missed)
    }
}

impl hyper::body::Body for Timely {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.project();
        let piece = this.body.poll_frame(cx).map_err(Into::into);
        let deadline = *this.deadline;
        // One that always has another piece must not keep the clock from being looked at.
        if piece.is_pending() || Instant::now() >= deadline {
            let sleep = this.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
            if sleep.as_mut().poll(cx).is_ready() && !matches!(piece, Poll::Ready(None)) {
                this.missed.0.store(true, Relaxed);
                return Poll::Ready(Some(Err("the body did not come in time".into())));
            }
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
