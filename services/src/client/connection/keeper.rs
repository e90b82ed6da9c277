//! Makes the connection to an instance, watches it, and makes it again.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper::client::conn::http2::Builder;
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tonic::Code;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{Channel, State};
use crate::balance::Staleness;
use crate::stream::Stream;
use crate::tls::Connector;

/// Longest time to connect, and to wait for the answer to a health check.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time between attempts: the first, doubled after each failure, up to the last.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];
/// A connection with calls in flight on which nothing was read for this long is pinged. Go servers end connections that ping often.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

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

/// Runs a connection; tells how it ended.
type Task = JoinHandle<Option<hyper::Error>>;

/// Why a connection ended, with the deepest cause: of a refused certificate only that one speaks.
fn broken(ended: Result<Option<hyper::Error>, tokio::task::JoinError>) -> Arc<str> {
    let Ok(Some(error)) = ended else { return "the connection broke".into() };
    let mut cause: &dyn std::error::Error = &error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    format!("the connection broke: {cause}").into()
}

/// Keeps an instance connected, in a task of its own.
pub(super) struct Keeper {
    pub(super) address: String,
    pub(super) tls: Option<Arc<Connector>>,
    pub(super) origin: Uri,
    pub(super) state: watch::Sender<State>,
    pub(super) stale: Staleness,
    /// Asks for a health check.
    pub(super) check: Arc<Notify>,
    /// Connections made so far.
    pub(super) connections: u64,
}

impl Keeper {
    pub(super) async fn run(mut self) {
        let mut wait = BACKOFF[0];
        loop {
            let why = match self.connect().await {
                Err(why) => why,
                Ok((channel, task)) => {
                    let (up, why) = self.keep(channel, task).await;
                    if up {
                        wait = BACKOFF[0];
                    }
                    why
                }
            };
            self.set(State::Down(why));
            // Spread, so that many clients do not come back at the same time.
            sleep(wait.mul_f64(0.8 + 0.4 * fastrand::f64())).await;
            wait = (wait * 2).min(BACKOFF[1]);
        }
    }

    async fn connect(&mut self) -> Result<(Channel, Task), Arc<str>> {
        let stream = match timeout(PATIENCE, TcpStream::connect(&self.address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(error.to_string().into()),
            Err(_) => return Err(format!("no connection within {PATIENCE:?}").into()),
        };
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
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
            .keep_alive_interval(KEEP_ALIVE)
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

    /// Watches a connection until it ends. Says whether it was ever up, and why it ended.
    async fn keep(&self, channel: Channel, mut task: Task) -> (bool, Arc<str>) {
        let (mut up, mut wait) = (false, BACKOFF[0]);
        loop {
            let health = tokio::select! {
                ended = &mut task => return (up, broken(ended)),
                health = self.health(channel.clone()) => health,
            };
            match health {
                Health::Serving => {
                    (up, wait) = (true, BACKOFF[0]);
                    self.set(State::Up(channel.clone()));
                    tokio::select! {
                        ended = &mut task => return (up, broken(ended)),
                        () = self.check.notified() => self.set(State::Suspect(channel.clone())),
                    }
                }
                Health::NotServing => self.set(State::Down("the instance says that it does not serve".into())),
                // What was good before stays suspect: if all are, they are called all the same.
                Health::Silent if up => self.set(State::Suspect(channel.clone())),
                Health::Silent => self.set(State::Down(format!("connected, but no answer within {PATIENCE:?}").into())),
            }
            if !matches!(health, Health::Serving) {
                tokio::select! {
                    ended = &mut task => return (up, broken(ended)),
                    () = sleep(wait) => wait = (wait * 2).min(BACKOFF[1]),
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

    fn set(&self, state: State) {
        let instance = &self.address;
        match (&*self.state.borrow(), &state) {
            (State::Down(_), State::Down(_)) | (State::Up(_), State::Up(_)) | (State::Suspect(_), State::Suspect(_)) => {}
            (_, State::Down(why)) => tracing::info!(instance, %why, "instance down"),
            (_, State::Up(_)) => tracing::info!(instance, "instance up"),
            (_, State::Suspect(_)) => tracing::info!(instance, "instance suspect: calls time out"),
            (_, State::Connecting) => {}
        }
        self.state.send_replace(state);
        self.stale.mark();
    }
}
