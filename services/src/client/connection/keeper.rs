//! Makes the connection to an instance, watches it, and makes it again.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use http::Uri;
use hyper::client::conn::http2::Builder;
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep, timeout};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use user_info_backoff::Backoff;
use user_info_layers::balance::Staleness;

use super::read_to_end::ReadToEnd;
use super::{Channel, ChannelState, Feedback, words};
use crate::stream::Stream;
use crate::tls::Connector;

/// Longest time to connect, and to wait for the answer to a health check.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time between attempts.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
/// A connection that was up for this long was a healthy one.
const HEALTHY: Duration = Duration::from_secs(1);
/// A connection that is quiet for this long is probed by the kernel, and ends if the host at its other end does not answer within
/// [`PATIENCE`]. What it does not take for that long ends it, too. One that answers no health check for this long is given up.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
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
enum Health {
    Serving,
    NotServing,
    Silent,
}

/// How a connection ended: with an error, or as its peer had announced.
type Ended = Result<Option<hyper::Error>, JoinError>;
/// Runs a connection; tells how it ended.
type Task = JoinHandle<Option<hyper::Error>>;

/// Why a connection ended.
fn broken(ended: Ended) -> Arc<str> {
    let Ok(Some(error)) = ended else { return "the connection ended".into() };
    format!("the connection broke: {}", words(&error)).into()
}

/// Whether one of both sides ended the connection for an error of the other, such as too many pings: the next one would fare no better.
fn refused(ended: &Ended) -> bool {
    let cause = ended.as_ref().ok().and_then(Option::as_ref).and_then(std::error::Error::source);
    cause.and_then(|cause| cause.downcast_ref()).is_some_and(|cause: &h2::Error| cause.is_go_away())
}

/// Lets the kernel end the connection if its other end is gone.
fn notice_a_lost_host(stream: &TcpStream) -> std::io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_user_timeout(Some(KEEP_ALIVE + PATIENCE))?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(PATIENCE))
}

/// Keeps an instance connected, in a task of its own.
pub(super) struct Keeper {
    address: String,
    tls: Option<Arc<Connector>>,
    origin: Uri,
    state: watch::Sender<ChannelState>,
    stale: Staleness,
    feedback: Arc<Feedback>,
    /// Connections made so far.
    connections: u64,
    /// The last connection over which a call had been answered, as known when the one before ended.
    answered: u64,
    /// Whether the connection before was not healthy.
    futile: bool,
    /// What was last said of the instance.
    said: Option<&'static str>,
}

impl Keeper {
    pub(super) fn new(
        address: &str,
        tls: Option<Arc<Connector>>,
        origin: Uri,
        state: watch::Sender<ChannelState>,
        stale: Staleness,
        feedback: Arc<Feedback>,
    ) -> Self {
        Self { address: address.to_owned(), tls, origin, state, stale, feedback, connections: 0, answered: 0, futile: false, said: None }
    }

    pub(super) async fn run(mut self) {
        // Spread, so that many clients do not come back at the same time.
        let mut backoff = BACKOFF.with_jitter(0.8, 1.2);
        loop {
            let why = match self.connect().await {
                Err(why) => why,
                Ok((channel, task)) => {
                    let (up, ended) = self.keep(channel, task).await;
                    let healthy = self.was_healthy(up);
                    if healthy {
                        backoff.reset();
                    }
                    // One that was not is forgiven once: the reply that would show it healthy may have been on its way.
                    let at_once = up.is_some() && (healthy || !self.futile) && !refused(&ended);
                    self.futile = !healthy;
                    let why = broken(ended);
                    if at_once {
                        tracing::debug!(instance = self.address, %why, "connecting again");
                        self.set(ChannelState::Connecting);
                        continue;
                    }
                    why
                }
            };
            self.set(ChannelState::Down(why));
            sleep(backoff.pause()).await;
        }
    }

    /// Whether a connection that was up since then was of use: it stood for a while, or a call was answered over it.
    fn was_healthy(&mut self, up: Option<Instant>) -> bool {
        let answered = self.feedback.answered.load(Relaxed);
        let useful = std::mem::replace(&mut self.answered, answered) < answered;
        up.is_some_and(|since| useful || since.elapsed() >= HEALTHY)
    }

    async fn connect(&mut self) -> Result<(Channel, Task), Arc<str>> {
        let stream = match timeout(PATIENCE, TcpStream::connect(&self.address)).await {
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
    async fn begin(&mut self, stream: impl Stream) -> Result<(Channel, Task), Arc<str>> {
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
        self.connections += 1;
        Ok((Channel { sender, number: self.connections }, task))
    }

    /// Watches a connection until it ends, or is given up. Says since when it was up, if it was, and how it ended.
    async fn keep(&mut self, channel: Channel, mut task: Task) -> (Option<Instant>, Ended) {
        let (mut up, mut backoff, mut silent) = (None, BACKOFF, None);
        loop {
            let health = tokio::select! {
                ended = &mut task => return (up, ended),
                health = self.health(channel.clone()) => health,
            };
            if !matches!(health, Health::Silent) {
                silent = None;
            }
            match health {
                Health::Serving => {
                    up = up.or_else(|| Some(Instant::now()));
                    backoff.reset();
                    self.set(ChannelState::Up(channel.clone()));
                    tokio::select! {
                        ended = &mut task => return (up, ended),
                        () = self.feedback.check.notified() => self.set(ChannelState::Suspect(channel.clone())),
                    }
                }
                Health::NotServing => {
                    up = None;
                    self.set(ChannelState::Down("the instance says that it does not serve".into()));
                }
                // What was good before stays suspect for a while: if all are, they are called all the same. Then the next connection is made, as
                // it may end elsewhere. Calls in flight stay on this one: they were begun.
                Health::Silent if up.is_some() => {
                    if silent.get_or_insert_with(Instant::now).elapsed() >= KEEP_ALIVE {
                        return (up, Ok(None));
                    }
                    self.set(ChannelState::Suspect(channel.clone()));
                }
                Health::Silent => self.set(ChannelState::Down(format!("connected, but no answer within {PATIENCE:?}").into())),
            }
            if !matches!(health, Health::Serving) {
                tokio::select! {
                    ended = &mut task => return (up, ended),
                    () = sleep(backoff.pause()) => {}
                }
            }
        }
    }

    /// Asks for the health of the whole server. One that does not know the question has answered, too.
    async fn health(&self, channel: Channel) -> Health {
        let mut client = HealthClient::with_origin(channel, self.origin.clone());
        match timeout(PATIENCE, client.check(HealthCheckRequest::default())).await {
            Ok(Ok(reply)) if reply.get_ref().status() == ServingStatus::NotServing => Health::NotServing,
            Ok(Err(status)) if matches!(status.code(), Code::DeadlineExceeded | Code::Unavailable) => Health::Silent,
            Ok(_) => Health::Serving,
            Err(_) => Health::Silent,
        }
    }

    fn set(&mut self, state: ChannelState) {
        let instance = &self.address;
        let news = match &state {
            // What comes of it is said.
            ChannelState::Connecting => self.said,
            ChannelState::Up(_) => Some("instance up"),
            ChannelState::Suspect(_) => Some("instance suspect: calls time out"),
            ChannelState::Down(_) => Some("instance down"),
        };
        if let Some(news) = news.filter(|_| news != self.said) {
            match &state {
                ChannelState::Down(why) => tracing::info!(instance, %why, "{news}"),
                _ => tracing::info!(instance, "{news}"),
            }
        }
        self.said = news;
        self.state.send_replace(state);
        self.stale.mark();
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
