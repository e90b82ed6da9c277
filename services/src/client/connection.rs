//! The connection to one instance: made in the background, watched, and made again, without a call having to fail for it.
//!
//! A connection counts as up once the instance has answered a gRPC health check over it; a process that is frozen accepts connections
//! (its kernel does) but answers nothing. When calls time out the balancer asks for another check, and the instance stays out until it
//! answers. A connection that breaks is known to be broken at once, since its task ends.

mod channel;
mod keeper;

use std::sync::Arc;

use http::Uri;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

pub use self::channel::Channel;
use self::keeper::Keeper;
use crate::balance::{Link, LinkState, Staleness};
use crate::tls::Connector;

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
