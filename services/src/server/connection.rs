//! Serves one connection until it ends or the service stops.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use axum::Router;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use hyper::rt::Executor;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::watch;
use tower::Service;
use user_info_bounded::{Paced, until_stopped};
use user_info_layers::ticker::Ticker;

use super::capacity::Capacity;
use super::preface::PrefaceTimeout;
use super::write_timeout::{Disconnect, TimedWrites, WriteTimeout};
use crate::stream::Stream;

/// A peer that sends no whole head within this time is cut off.
const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// Length of what opens each HTTP/2 connection, in bytes (RFC 9113, section 3.4).
const PREFACE: usize = 24;
/// Largest head of a request, in bytes.
const MAX_HEAD: u32 = 16 * 1024;
/// What a caller may send on a stream before that is read, in bytes: a frame.
const STREAM_WINDOW: u32 = 16 * 1024;
/// What h2 keeps of an answer that is on its way, in bytes.
const SEND_BUFFER: usize = 64 * 1024;
/// A caller that does not take a piece of an answer for so long is cut off.
const UNTAKEN_TIMEOUT: Duration = Duration::from_secs(20);

/// What serves gRPC: the requests of an HTTP/2 connection.
pub(super) trait GrpcService:
    Service<Request<Incoming>, Response = super::grpc::Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

impl<S> GrpcService for S where
    S: Service<Request<Incoming>, Response = super::grpc::Response, Error = Infallible, Future: Send> + Clone + Send + 'static
{
}

/// How HTTP/2 is served.
#[derive(Debug, Clone)]
pub(super) struct Http2 {
    /// Calls in flight on one connection.
    pub max_concurrent_streams: u32,
    /// What the calls of all connections may hold.
    pub capacity: Capacity,
    /// The worker's.
    pub ticker: Ticker,
}

impl Http2 {
    /// Serves HTTP/2 on `stream`: gRPC, or HTTP if the caller asks for it in the TLS handshake. `service` has to be always ready.
    pub(super) async fn serve<S, B>(self, stream: impl Stream, service: S, stopping: watch::Receiver<bool>)
    where
        S: Service<Request<Incoming>, Response = Response<B>, Error = Infallible, Future: Send> + Clone + Send + 'static,
        B: Body<Data: Send, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    {
        let mut builder = http2::Builder::new(Spawn { capacity: self.capacity });
        builder
            .max_concurrent_streams(self.max_concurrent_streams)
            .max_header_list_size(MAX_HEAD)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(connection_window(self.max_concurrent_streams))
            .max_send_buf_size(SEND_BUFFER);
        let disconnect = Arc::new(Disconnect::default());
        let service = TimedWrites::new(service, WriteTimeout::new(self.ticker, UNTAKEN_TIMEOUT, Arc::clone(&disconnect)));
        let stream = PrefaceTimeout::new(stream, PREFACE, HEAD_TIMEOUT);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::select! {
            () = until_stopped(connection, stopping, http2::Connection::graceful_shutdown) => {}
            () = disconnect.wait() => tracing::debug!("connection cut off: its answers were not taken"),
        }
    }
}

/// What a caller may send on a connection before that is read, in bytes. h2 ends a connection whose unread frames are many and small for
/// half of its window: a frame counts for 256 bytes, so this is room for one small message a stream.
fn connection_window(streams: u32) -> u32 {
    streams.saturating_mul(2 * 256).clamp(64 << 10, 1 << 20)
}

/// Runs the calls of a connection as tasks.
#[derive(Debug, Clone)]
struct Spawn {
    capacity: Capacity,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Spawn {
    fn execute(&self, call: F) {
        if !self.capacity.is_full() {
            tokio::spawn(call);
            return;
        }
        // It is refused at once, and nothing is kept of it until its turn as a task comes. What is not done then is a task all the same.
        let mut call = Box::pin(call);
        if call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            tokio::spawn(call);
        }
    }
}

/// Serves HTTP/1 on `stream`.
pub(crate) async fn http1(stream: impl Stream, router: Router, stopping: watch::Receiver<bool>) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD as usize);
    // A caller may close its side after the request, and still wait for the answer. One that is gone looks alike, and keeps its call until
    // that ends, at the server's timeout at the latest.
    builder.half_close(true);
    let connection = builder.serve_connection(TokioIo::new(Paced::new(stream, UNTAKEN_TIMEOUT)), TowerToHyperService::new(router));
    until_stopped(connection, stopping, http1::Connection::graceful_shutdown).await;
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::time::{sleep, timeout};

    use super::*;

    /// Sends `request` and closes the sending side; returns all that comes back until the connection ends.
    async fn answer_to_half_closed(request: &str, handler: Duration) -> String {
        let router = Router::new().route(
            "/",
            get(async move || {
                sleep(handler).await;
                "here"
            }),
        );
        let (mut caller, server) = tokio::io::duplex(64 * 1024);
        let (_going_on, stopping) = watch::channel(false);
        let serving = tokio::spawn(http1(server, router, stopping));
        caller.write_all(request.as_bytes()).await.expect("taken");
        caller.shutdown().await.expect("open");
        let mut answer = String::new();
        timeout(Duration::from_secs(60), caller.read_to_string(&mut answer)).await.expect("in time").expect("text");
        serving.await.expect("no panic");
        answer
    }

    #[tokio::test(start_paused = true)]
    async fn p5_a_caller_that_closes_its_side_is_answered() {
        for handler in [Duration::ZERO, Duration::from_millis(100), Duration::from_secs(20)] {
            for request in ["GET / HTTP/1.1\r\nhost: a\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"] {
                let answer = answer_to_half_closed(request, handler).await;
                assert!(answer.starts_with("HTTP/1.") && answer.contains(" 200 OK") && answer.ends_with("here"), "{handler:?}: {answer}");
            }
            let two = "GET / HTTP/1.1\r\nhost: a\r\n\r\n".repeat(2);
            assert_eq!(answer_to_half_closed(&two, handler).await.matches("here").count(), 2, "{handler:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn p5_half_a_head_is_not_waited_for() {
        assert!(!answer_to_half_closed("GET / HTTP/1.1\r\nhost", Duration::ZERO).await.contains("200"));
        assert_eq!(answer_to_half_closed("", Duration::ZERO).await, "");
    }

    #[test]
    fn the_window_has_room_for_a_small_message_of_each_stream() {
        for (streams, window) in [(1, 64 << 10), (128, 64 << 10), (1024, 512 << 10), (65_536, 1 << 20)] {
            assert_eq!(connection_window(streams), window, "{streams}");
        }
    }
}
