//! One instance: how it is connected to, and whether it serves.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper::client::conn::http2::Builder;
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use user_info_api::address::host_port;

use super::Channel;
use super::read_to_end::ReadToEnd;
use crate::dial::dial;
use crate::stream::Stream;
use crate::tls::Connector;

/// Longest time to connect, and to wait for the answer to a health check.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);
/// A connection that is quiet for this long is probed by the kernel, and ends if the host at its other end does not answer within
/// [`PATIENCE`]. What it does not take for that long ends it, too. One that answers no health check for this long is given up.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// A connection with calls in flight on which nothing was read for this long is pinged over HTTP/2, which a frozen process or a proxy before a
/// lost host does not answer. By default, servers of gRPC in Go, C++, Python and Java end a connection that is pinged more often than each
/// 5 minutes (`ENHANCE_YOUR_CALM`, `too_many_pings`).
const PING: Duration = Duration::from_secs(5 * 60 + 10);

/// Spawns what hyper asks for, a future for each call. Boxed before, since it is big and tokio moves it several times.
#[derive(Debug, Clone, Copy)]
struct Spawner;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Spawner {
    fn execute(&self, future: F) {
        tokio::spawn(Box::pin(future));
    }
}

/// What a health check found.
pub(super) enum Health {
    Serving,
    NotServing,
    Silent,
}

/// Runs a connection; tells how it ended: with an error, or as its peer had announced.
pub(super) type Task = JoinHandle<Option<hyper::Error>>;

/// Lets the kernel end the connection if its other end is gone.
fn notice_a_lost_host(stream: &TcpStream) -> std::io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_user_timeout(Some(KEEP_ALIVE + PATIENCE))?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(PATIENCE))
}

/// Where an instance is, and how it is spoken to.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// `host:port`.
    pub(super) address: String,
    /// None if it speaks plaintext.
    pub(super) tls: Option<Arc<Connector>>,
    /// What requests are addressed to.
    pub(super) origin: Uri,
}

impl Target {
    /// Connects, within [`PATIENCE`] for each step.
    pub(super) async fn connect(&self) -> Result<(Channel, Task), Arc<str>> {
        let Some((host, port)) = host_port(&self.address) else { return Err("its address is not host:port".into()) };
        let stream = match timeout(PATIENCE, dial(host, port)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(error.to_string().into()),
            Err(_) => return Err(format!("no connection within {PATIENCE:?}").into()),
        };
        stream.set_nodelay(true).and_then(|()| notice_a_lost_host(&stream)).map_err(|e| e.to_string())?;
        let stream = ReadToEnd::new(stream);
        let Some(tls) = &self.tls else { return self.begin(stream).await };
        let host = self.origin.host().unwrap_or_default();
        match timeout(PATIENCE, tls.connect(host, stream)).await {
            Ok(Ok(stream)) => self.begin(stream).await,
            Ok(Err(error)) => Err(format!("TLS: {error}").into()),
            Err(_) => Err(format!("no TLS handshake within {PATIENCE:?}").into()),
        }
    }

    /// Begins to speak HTTP/2 on `stream`.
    async fn begin(&self, stream: impl Stream) -> Result<(Channel, Task), Arc<str>> {
        let (sender, connection) = Builder::new(Spawner)
            .timer(TokioTimer::new())
            .keep_alive_interval(PING)
            .keep_alive_timeout(PATIENCE)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| e.to_string())?;
        let address = self.address.clone();
        let task = tokio::spawn(async move {
            let ended = connection.await;
            if let Err(error) = &ended {
                tracing::debug!(instance = address, %error, "connection ended");
            }
            ended.err()
        });
        Ok((Channel { sender, number: 0 }, task))
    }

    /// A connection over which the instance says that it serves; none if there is no such within [`PATIENCE`] for each step.
    pub(super) async fn serving(self) -> Option<(Channel, Task)> {
        let (channel, task) = self.connect().await.ok()?;
        matches!(self.health(channel.clone()).await, Health::Serving).then_some((channel, task))
    }

    /// Asks for the health of the whole server. One that does not know the question has answered, too.
    pub(super) async fn health(&self, channel: Channel) -> Health {
        let mut client = HealthClient::with_origin(channel, self.origin.clone());
        match timeout(PATIENCE, client.check(HealthCheckRequest::default())).await {
            Ok(Ok(reply)) if reply.get_ref().status() == ServingStatus::NotServing => Health::NotServing,
            Ok(Err(status)) if matches!(status.code(), Code::DeadlineExceeded | Code::Unavailable) => Health::Silent,
            Ok(_) => Health::Serving,
            Err(_) => Health::Silent,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn c2_the_kernel_finds_out_that_a_host_is_gone() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let stream = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("it listens");
        notice_a_lost_host(&stream).expect("options of Linux");
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().expect("an option"));
        assert_eq!(socket.tcp_keepalive_time().expect("an option"), KEEP_ALIVE);
        assert_eq!(socket.tcp_keepalive_interval().expect("an option"), PATIENCE);
        assert_eq!(socket.tcp_user_timeout().expect("an option"), Some(KEEP_ALIVE + PATIENCE));
    }
}
