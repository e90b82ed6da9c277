//! The connection to one instance: made in the background, watched, and made again, without a call having to fail for it.
//!
//! A connection counts as up once the instance has answered a gRPC health check over it; a process that is frozen accepts connections
//! (its kernel does) but answers nothing. When calls time out the balancer asks for another check, and the instance stays out until it
//! answers. A connection that breaks is known to be broken at once, since its task ends.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper::rt::Executor;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{sleep, timeout};
use tonic::Code;
use tonic::body::Body;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::balance::{Link, LinkState, Staleness};
use crate::tls::Connector;

/// Longest time to connect, and to wait for the answer to a health check.
const PATIENCE: Duration = Duration::from_secs(1);
/// Time between attempts: the first, doubled after each failure, up to the last.
const BACKOFF: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];
/// A connection with calls in flight on which nothing was read for this long is pinged. Go servers end connections that ping often.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// One HTTP/2 connection, to send requests over.
#[derive(Debug, Clone)]
pub struct Channel {
    sender: SendRequest<Body>,
    /// Number of the connection among those to the same instance, from 1 on.
    pub number: u64,
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

/// Spawns what hyper asks for, a future for each call. Boxed before, since it is big and tokio moves it several times.
#[derive(Debug, Clone, Copy)]
struct Spawner;

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Spawner {
    fn execute(&self, future: F) {
        tokio::spawn(Box::pin(future));
    }
}

#[derive(Debug, Clone)]
enum State {
    Connecting,
    Up(Channel),
    Suspect(Channel),
    Down(Arc<str>),
}

impl State {
    /// What to send requests over, or why there is nothing; none if that is not known yet.
    fn channel(&self) -> Option<Result<Channel, Arc<str>>> {
        match self {
            Self::Up(channel) | Self::Suspect(channel) => Some(Ok(channel.clone())),
            Self::Down(why) => Some(Err(Arc::clone(why))),
            Self::Connecting => None,
        }
    }
}

/// The connection to one instance. Dropped, it makes no new ones; calls in flight go on.
#[derive(Debug)]
pub struct Connection {
    state: watch::Receiver<State>,
    check: Arc<Notify>,
    origin: Uri,
    task: AbortHandle,
}

impl Connection {
    /// Begins to connect to `address`, `host:port`, over `tls` if there is any. Marks `stale` whenever the state changes.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open(address: &str, tls: Option<Arc<Connector>>, stale: Staleness) -> Self {
        let (sender, state) = watch::channel(State::Connecting);
        let origin = Uri::builder()
            .scheme(if tls.is_some() { "https" } else { "http" })
            .authority(address)
            .path_and_query("/")
            .build()
            .unwrap_or_default();
        let check = Arc::new(Notify::new());
        let (address, origin_of_calls, checks) = (address.to_owned(), origin.clone(), Arc::clone(&check));
        let keeper = Keeper { address, tls, origin: origin_of_calls, state: sender, stale, check: checks, connections: 0 };
        Self { state, check, origin, task: tokio::spawn(keeper.run()).abort_handle() }
    }

    /// What to send requests over; waits for the first connection attempt.
    ///
    /// # Errors
    /// Why the instance cannot be reached, if it cannot.
    pub async fn channel(&self) -> Result<Channel, Arc<str>> {
        if let Some(known) = self.state.borrow().channel() {
            return known;
        }
        let mut state = self.state.clone();
        let known = state.wait_for(|state| !matches!(state, State::Connecting)).await;
        known.ok().and_then(|state| state.channel()).unwrap_or_else(|| Err("no longer known".into()))
    }

    /// `http://host:port/`, with TLS `https://host:port/`.
    pub const fn origin(&self) -> &Uri {
        &self.origin
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Link for Connection {
    fn state(&self) -> LinkState {
        match &*self.state.borrow() {
            State::Connecting => LinkState::Connecting,
            State::Up(_) => LinkState::Up,
            State::Suspect(_) => LinkState::Suspect,
            State::Down(_) => LinkState::Down,
        }
    }

    fn suspect(&self) {
        self.check.notify_one();
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

/// What bytes are read from and written to.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for T {}

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
struct Keeper {
    address: String,
    tls: Option<Arc<Connector>>,
    origin: Uri,
    state: watch::Sender<State>,
    stale: Staleness,
    check: Arc<Notify>,
    connections: u64,
}

impl Keeper {
    async fn run(mut self) {
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
