//! Makes the connection to an instance, watches it, and makes it again.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio::task::JoinError;
use tokio::time::{Instant, sleep};
use user_info_backoff::Backoff;
use user_info_layers::balance::Staleness;

use super::target::{Health, KEEP_ALIVE, PATIENCE, Target, Task};
use super::{Channel, ChannelState, Feedback, words};

/// Time between attempts.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(2));
/// A connection that was up for this long was a healthy one.
const HEALTHY: Duration = Duration::from_secs(1);

/// How a connection ended: with an error, or as its peer had announced.
type Ended = Result<Option<hyper::Error>, JoinError>;
/// Looks for a connection to take the place of one that is silent.
type Search = BoxFuture<'static, Option<(Channel, Task)>>;

/// What `search` finds, if there is one; it is over then.
async fn found(search: &mut Option<Search>) -> Option<(Channel, Task)> {
    let Some(running) = search else { return pending().await };
    let found = running.await;
    *search = None;
    found
}

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

/// Keeps an instance connected, in a task of its own.
pub(super) struct Keeper {
    target: Target,
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
    pub(super) fn new(target: Target, state: watch::Sender<ChannelState>, stale: Staleness, feedback: Arc<Feedback>) -> Self {
        Self { target, state, stale, feedback, connections: 0, answered: 0, futile: false, said: None }
    }

    pub(super) async fn run(mut self) {
        // Spread, so that many clients do not come back at the same time.
        let mut backoff = BACKOFF.with_jitter(0.8, 1.2);
        loop {
            let why = match self.target.connect().await {
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
                        tracing::debug!(instance = self.target.address, %why, "connecting again");
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

    /// Gives a connection its number.
    fn number(&mut self, channel: Channel) -> Channel {
        self.connections += 1;
        Channel { number: self.connections, ..channel }
    }

    /// Watches a connection until it ends, or is given up. Says since when it was up, if it was, and how it ended.
    async fn keep(&mut self, channel: Channel, mut task: Task) -> (Option<Instant>, Ended) {
        let mut channel = self.number(channel);
        let (mut up, mut backoff, mut pause, mut silent, mut search) = (None, BACKOFF, None, None, None);
        loop {
            let health = tokio::select! {
                ended = &mut task => return (up, ended),
                next = found(&mut search) => {
                    // Calls in flight stay on the one before: they were begun.
                    if let Some((next, its_task)) = next {
                        tracing::debug!(instance = self.target.address, "another connection takes the place of one that is silent");
                        (channel, task, up) = (self.number(next), its_task, Some(Instant::now()));
                    }
                    pause = None;
                    continue;
                }
                health = self.health_after(pause.take(), &channel) => health,
            };
            if !matches!(health, Health::Silent) {
                (silent, search) = (None, None);
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
                // What was good before stays suspect for a while: if all are, they are called all the same. The next connection is looked for
                // beside it, as that may end elsewhere: another pod may have the address by now, or the way to it may have changed.
                Health::Silent if up.is_some() => {
                    if silent.get_or_insert_with(Instant::now).elapsed() >= KEEP_ALIVE {
                        return (up, Ok(None));
                    }
                    self.set(ChannelState::Suspect(channel.clone()));
                    search.get_or_insert_with(|| Box::pin(self.target.clone().serving()));
                }
                Health::Silent => self.set(ChannelState::Down(format!("connected, but no answer within {PATIENCE:?}").into())),
            }
            pause = (!matches!(health, Health::Serving)).then(|| backoff.pause());
        }
    }

    async fn health_after(&self, pause: Option<Duration>, channel: &Channel) -> Health {
        if let Some(pause) = pause {
            sleep(pause).await;
        }
        self.target.health(channel.clone()).await
    }

    fn set(&mut self, state: ChannelState) {
        let instance = &self.target.address;
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
