//! What requests are sent over.

use hyper::body::Incoming;
use hyper::client::conn::http2::SendRequest;
use tonic::body::Body;

/// One HTTP/2 connection, to send requests over.
#[derive(Debug, Clone)]
pub struct Channel {
    pub(super) sender: SendRequest<Body>,
    /// Number of the connection among those to the same instance, from 1 on.
    pub number: u64,
}

impl Channel {
    /// Whether it begins no more calls: the connection broke, or its peer has announced its end (GOAWAY).
    pub(super) fn is_ended(&self) -> bool {
        self.sender.is_closed()
    }
}

impl tower::Service<http::Request<Body>> for Channel {
    type Response = http::Response<Incoming>;
    type Error = hyper::Error;
    type Future = futures_util::future::BoxFuture<'static, hyper::Result<Self::Response>>;

    // Whether the connection still stands is found out by sending: the request says then that it was not begun.
    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<hyper::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(self.sender.send_request(request))
    }
}
