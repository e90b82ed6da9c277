//! The connection to one instance: made in the background, watched, and made again, without a call having to fail for it.
//!
//! A connection counts as up once the instance has answered a gRPC health check over it; a process that is frozen accepts connections
//! (its kernel does) but answers nothing. When calls time out the balancer asks for another check, and the instance stays out until it
//! answers. A connection that breaks is known to be broken at once, since its task ends; of a host that is gone without a word the kernel finds
//! out. HTTP/2's own pings are rare, since servers take frequent ones for an attack.
//!
//! Servers and proxies end connections in the ordinary course, after so many calls or so much time. They announce it (GOAWAY): calls that
//! were begun go on to their end, and further ones wait for the next connection, which is made at once.

mod cause;
mod channel;
mod keeper;
mod read_to_end;
mod target;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

use http::Uri;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;
use user_info_layers::balance::{self, ConnectionState, Staleness};

pub(super) use self::cause::words;
pub use self::channel::Channel;
use self::keeper::Keeper;
use self::target::Target;
use crate::tls::Connector;

/// Most calls that wait for one connection, as many as a client may have in flight.
const MOST_WAITING: usize = 10_000;

#[derive(Debug, Clone)]
enum ChannelState {
    /// The first connection is being made, or the one that follows a healthy one.
    Connecting,
    Up(Channel),
    Suspect(Channel),
    Down(Arc<str>),
}

impl ChannelState {
    const fn channel(&self) -> Option<&Channel> {
        match self {
            Self::Up(channel) | Self::Suspect(channel) => Some(channel),
            Self::Connecting | Self::Down(_) => None,
        }
    }
}

/// Why there is nothing to send requests over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unconnected {
    /// The connection has ended, and the next one is being made.
    #[error("the connection ended before the call was begun")]
    Ended,
    /// There is none, for this reason.
    #[error("{0}")]
    Down(Arc<str>),
}

/// The connection to one instance. Dropped, it makes no new ones; calls in flight go on.
#[derive(Debug)]
pub struct InstanceConnection {
    state: watch::Receiver<ChannelState>,
    feedback: Arc<Feedback>,
    origin: Uri,
    task: AbortHandle,
}

/// What calls tell the keeper.
#[derive(Debug, Default)]
struct Feedback {
    /// Asks for a health check.
    check: Notify,
    /// Number of the last connection over which a call was answered.
    answered: AtomicU64,
    /// Calls that wait for a connection.
    waiting: AtomicUsize,
}

impl InstanceConnection {
    /// Begins to connect to `address`, `host:port`, over `tls` if there is any. Marks `stale` whenever the state changes.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn open(address: &str, tls: Option<Arc<Connector>>, stale: Staleness) -> Self {
        let (sender, state) = watch::channel(ChannelState::Connecting);
        let origin = Uri::builder()
            .scheme(if tls.is_some() { "https" } else { "http" })
            .authority(address)
            .path_and_query("/")
            .build()
            .unwrap_or_default();
        let feedback = Arc::<Feedback>::default();
        let target = Target { address: address.to_owned(), tls, origin: origin.clone() };
        let keeper = Keeper::new(target, sender, stale, Arc::clone(&feedback));
        Self { state, feedback, origin, task: tokio::spawn(keeper.run()).abort_handle() }
    }

    /// What to send requests over; waits for a connection that is being made.
    ///
    /// # Errors
    /// If there is none, or the one there was has just ended: then the next call waits for the next one, or another instance may be called.
    pub async fn channel(&self) -> Result<Channel, Unconnected> {
        let ended = match &*self.state.borrow() {
            ChannelState::Down(why) => return Err(Unconnected::Down(Arc::clone(why))),
            ChannelState::Connecting => None,
            ChannelState::Up(channel) | ChannelState::Suspect(channel) if channel.is_ended() => Some(channel.number),
            ChannelState::Up(channel) | ChannelState::Suspect(channel) => return Ok(channel.clone()),
        };
        self.wait(ended).await
    }

    /// Waits until the keeper knows that the connection `ended` has; if there is none, until it is known whether there can be one.
    async fn wait(&self, ended: Option<u64>) -> Result<Channel, Unconnected> {
        let _permit =
            WaitPermit::take(&self.feedback.waiting).ok_or_else(|| Unconnected::Down("too many calls wait for the connection".into()))?;
        let mut state = self.state.clone();
        let over = |state: &ChannelState| match ended {
            None => !matches!(state, ChannelState::Connecting),
            Some(ended) => state.channel().is_none_or(|channel| channel.number != ended),
        };
        match state.wait_for(over).await.as_deref() {
            Ok(ChannelState::Up(channel) | ChannelState::Suspect(channel)) => Ok(channel.clone()),
            Ok(ChannelState::Connecting) => Err(Unconnected::Ended),
            Ok(ChannelState::Down(why)) => Err(Unconnected::Down(Arc::clone(why))),
            Err(_) => Err(Unconnected::Down("no longer known".into())),
        }
    }

    /// Notes that a call over the connection of this number was answered.
    pub fn answered(&self, number: u64) {
        // Mostly so already: a load leaves the cache line shared.
        if self.feedback.answered.load(Relaxed) < number {
            self.feedback.answered.fetch_max(number, Relaxed);
        }
    }

    /// `http://host:port/`, with TLS `https://host:port/`.
    pub const fn origin(&self) -> &Uri {
        &self.origin
    }
}

/// One of [`MOST_WAITING`].
struct WaitPermit<'a>(&'a AtomicUsize);

impl<'a> WaitPermit<'a> {
    fn take(waiting: &'a AtomicUsize) -> Option<Self> {
        let permit = Self(waiting);
        // What is taken in vain is given back by the drop.
        (waiting.fetch_add(1, Relaxed) < MOST_WAITING).then_some(permit)
    }
}

impl Drop for WaitPermit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

impl Drop for InstanceConnection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl balance::Connection for InstanceConnection {
    fn state(&self) -> ConnectionState {
        match &*self.state.borrow() {
            ChannelState::Connecting => ConnectionState::Connecting,
            ChannelState::Up(_) => ConnectionState::Up,
            ChannelState::Suspect(_) => ConnectionState::Suspect,
            ChannelState::Down(_) => ConnectionState::Down,
        }
    }

    fn suspect(&self) {
        self.feedback.check.notify_one();
    }
}
