//! Answers, which count until they are taken.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::middleware::map_response_with_state;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::StatusCode;
use hyper::body::{Body as _, Frame, SizeHint};
use pin_project_lite::pin_project;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// An answer up to this length in bytes is not counted: a connection holds as much anyway.
const FREE: usize = 4 * 1024;
/// What answers are counted in, in bytes.
const UNIT: usize = 1024;

/// Room for answers that are not taken yet, over all connections. Clones share it.
#[derive(Debug, Clone)]
pub struct Answers(Arc<Semaphore>);

/// Part of that room.
type Room = Arc<OwnedSemaphorePermit>;

impl Answers {
    /// Room for so many bytes.
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new((bytes / UNIT).min(Semaphore::MAX_PERMITS))))
    }

    /// The same routes, whose answers take room.
    pub fn bound(self, routes: Router) -> Router {
        routes.layer(map_response_with_state(self, async |State(answers): State<Self>, response: Response| answers.hold(response)))
    }

    /// The same response, whose body takes room until its caller has taken it; 503 if there is none.
    pub fn hold(&self, response: Response) -> Response {
        let length = response.body().size_hint().exact().and_then(|length| usize::try_from(length).ok());
        if length.is_some_and(|length| length <= FREE) {
            return response;
        }
        let reserved = length.map(|length| self.reserve(length));
        if let Some(None) = reserved {
            return (StatusCode::SERVICE_UNAVAILABLE, "too many answers wait to be taken; ask again later\n").into_response();
        }
        let answers = self.clone();
        response.map(|body| Body::new(Held { body, reserved: reserved.flatten(), answers }))
    }

    fn reserve(&self, bytes: usize) -> Option<Room> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).ok()?;
        Arc::clone(&self.0).try_acquire_many_owned(units).ok().map(Arc::new)
    }
}

pin_project! {
    /// A body whose pieces take room until they are sent. A stream, whose length nobody knows, takes it piece by piece, and breaks off if there
    /// is none.
    struct Held {
        #[pin]
        body: Body,
        reserved: Option<Room>,
        answers: Answers,
    }
}

impl hyper::body::Body for Held {
    type Data = Bytes;
    type Error = Box<dyn Error + Send + Sync>;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let this = self.project();
        let piece = this.body.poll_frame(cx).map_err(Into::into);
        let Poll::Ready(Some(Ok(frame))) = piece else { return piece };
        let frame = match frame.into_data() {
            Ok(data) if this.reserved.is_none() && data.len() <= FREE => Frame::data(data),
            Ok(data) => match this.reserved.clone().or_else(|| this.answers.reserve(data.len())) {
                Some(room) => Frame::data(Bytes::from_owner(Piece { data, _room: room })),
                None => return Poll::Ready(Some(Err("no room for the next piece of the answer".into()))),
            },
            Err(frame) => frame,
        };
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Bytes with the room that they take.
struct Piece {
    data: Bytes,
    _room: Room,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}
