//! Opens connections for clients of HTTP.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::rt::TokioIo;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Idle time after which a peer is probed, so that one that vanished while an answer is waited for is noticed.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Connects to the host of a URI, as clients of hyper and tonic ask for it. They add TLS themselves.
#[derive(Debug, Clone)]
pub(crate) struct HttpDialer {
    limit: Duration,
}

impl HttpDialer {
    /// One of the host's addresses has to take the connection within `limit`; the look-up of its name has time of its own.
    pub(crate) const fn new(limit: Duration) -> Self {
        Self { limit }
    }
}

impl tower::Service<Uri> for HttpDialer {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = BoxFuture<'static, io::Result<TokioIo<TcpStream>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let limit = self.limit;
        Box::pin(async move {
            let (host, port) = target(&uri);
            let addresses = super::addresses(host, port).await?;
            let late = || io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {limit:?}"));
            let stream = timeout(limit, super::connect(addresses)).await.map_err(|_| late())??;
            stream.set_nodelay(true)?;
            SockRef::from(&stream).set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE))?;
            Ok(TokioIo::new(stream))
        })
    }
}

/// Host, without the brackets of IPv6, and port.
fn target(uri: &Uri) -> (&str, u16) {
    let host = uri.host().unwrap_or_default();
    let literal = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let standard = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    (literal.unwrap_or(host), uri.port_u16().unwrap_or(standard))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c3_host_and_port_are_those_of_the_uri() {
        for (uri, expected) in [
            ("http://consul.example.com:8500/v1/agent", ("consul.example.com", 8500)),
            ("http://[::1]:4317", ("::1", 4317)),
            ("http://otel.example.com", ("otel.example.com", 80)),
            ("https://otel.example.com/", ("otel.example.com", 443)),
        ] {
            assert_eq!(target(&uri.parse().expect("a URI")), expected, "{uri}");
        }
    }
}
