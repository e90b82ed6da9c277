//! Serves one connection until it ends or the service stops.

use std::convert::Infallible;
use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use axum::Router;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;
use tower::Service;

use super::prompt::Prompt;
use crate::stream::Stream;

/// A peer that sends no whole head within this time is cut off.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// Length of what opens each HTTP/2 connection, in bytes (RFC 9113, section 3.4).
const PREFACE: usize = 24;
/// Largest head of a request, in bytes.
const MAX_HEAD: u32 = 16 * 1024;

/// What serves gRPC: the requests of an HTTP/2 connection.
pub(super) trait GrpcService:
    Service<Request<Incoming>, Response = Response<tonic::body::Body>, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<S> GrpcService for S where
    S: Service<Request<Incoming>, Response = Response<tonic::body::Body>, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

/// Serves HTTP/2 on `stream`: gRPC, or HTTP if the caller asks for it in the TLS handshake.
pub(super) async fn http2<S, B>(stream: impl Stream, service: S, max_concurrent_streams: u32, stopping: watch::Receiver<bool>)
where
    S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
    B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
{
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.max_concurrent_streams(max_concurrent_streams).max_header_list_size(MAX_HEAD);
    let stream = Prompt::new(stream, PREFACE, HEAD_TIMEOUT);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    until_stopped(connection, stopping, http2::Connection::graceful_shutdown).await;
}

/// Serves HTTP/1 on `stream`.
pub(super) async fn http1(stream: impl Stream, router: Router, stopping: watch::Receiver<bool>) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD as usize);
    let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    until_stopped(connection, stopping, http1::Connection::graceful_shutdown).await;
}

/// Runs `connection` to its end; once the service stops, it takes no further call and ends with those it has.
async fn until_stopped<C>(connection: C, mut stopping: watch::Receiver<bool>, shut_down: fn(Pin<&mut C>))
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
