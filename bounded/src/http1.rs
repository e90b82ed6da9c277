//! HTTP/1 on one connection.

mod timely;

use std::convert::Infallible;
use std::pin::{Pin, pin};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use http::{Request, Response, StatusCode, header};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1::{Builder, Connection};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::Instant;
use tower::Service;

use self::timely::Timely;
use crate::paced::Paced;
use crate::{Answers, Bounds, Peer};

/// Largest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;

/// Serves connections within [`Bounds`]. Clones share the room for answers.
#[derive(Debug, Clone)]
pub struct Http1 {
    bounds: Bounds,
    answers: Answers,
}

impl Http1 {
    /// Serves within `bounds`.
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, answers: Answers::new(bounds.answers) }
    }

    /// Serves `routes` on `stream` until it ends; once `stopping` is true, to the end of the request that is being answered.
    ///
    /// A caller may close its side after the request, and is answered all the same.
    pub async fn serve<S>(&self, stream: S, routes: Router, stopping: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        self.serve_peer(stream, routes, None, stopping).await;
    }

    /// The same; requests tell of their `peer`, if it is known.
    pub(crate) async fn serve_peer<S>(&self, stream: S, routes: Router, peer: Option<Peer>, stopping: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let mut builder = Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(self.bounds.head).max_buf_size(MAX_HEAD);
        // One that is gone looks like one that closed its side. It keeps what it asked for until that is answered.
        builder.half_close(true);
        let service = service_fn(move |mut request: Request<Incoming>| {
            if let Some(peer) = &peer {
                request.extensions_mut().insert(peer.clone());
            }
            self.answer(routes.clone(), request)
        });
        let stream = TokioIo::new(Paced::new(stream, self.bounds.untaken));
        until_stopped(builder.serve_connection(stream, service), stopping, Connection::graceful_shutdown).await;
    }

    /// What `routes` answer, unless the request does not come in time, or too many answers wait to be taken.
    async fn answer(&self, mut routes: Router, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        let response = if request.body().is_end_stream() {
            routes.call(request).await?
        } else {
            let deadline = Instant::now() + self.bounds.body;
            let (request, missed) = Timely::request(request, deadline);
            let response = routes.call(request).await?;
            if missed.is_set() {
                return Ok(late(self.bounds.body));
            }
            response
        };
        Ok(self.answers.hold(response))
    }
}

/// Says that the body of a request did not come in time.
fn late(limit: Duration) -> Response<Body> {
    let text = format!("the body of the request was not there within {limit:?}\n");
    (StatusCode::REQUEST_TIMEOUT, [(header::CONNECTION, "close")], text).into_response()
}

/// Runs `connection` to its end; once `stopping` is true, it is told so by `shut_down`, takes no further call and ends with those it has.
pub async fn until_stopped<C>(connection: C, mut stopping: watch::Receiver<bool>, shut_down: fn(Pin<&mut C>))
where
    C: Future<Output = hyper::Result<()>>,
{
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => {
            shut_down(connection.as_mut());
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended");
    }
}

#[cfg(test)]
mod tests;
