//! Blocking queries: an answer waits until the index has passed the one the client knows.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use user_info_bounded::Peer;
use user_info_consul::GoDuration;

use super::Agent;
use super::catalog::Catalog;
use super::rejection::Rejection;

/// How long a query waits if it does not say, and at most; Consul's.
const DEFAULT_WAIT: Duration = Duration::from_secs(300);
const MAX_WAIT: Duration = Duration::from_secs(600);

/// The parameters `index` and `wait` of a query.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wait {
    /// The index the client knows; 0 does not wait.
    index: u64,
    /// How long to wait at most.
    limit: Option<Duration>,
}

impl Wait {
    /// Reads the parameters from a query.
    pub(super) fn parse(query: &[(String, String)]) -> Result<Self, Rejection> {
        let mut wait = Self::default();
        for (key, value) in query {
            match key.as_str() {
                "index" => wait.index = value.parse().map_err(|_| Rejection::invalid("Invalid index"))?,
                "wait" => {
                    let limit = GoDuration::parse(value).ok_or_else(|| Rejection::invalid("Invalid wait time"))?;
                    wait.limit = Some(limit.0);
                }
                _ => {}
            }
        }
        Ok(wait)
    }

    /// Waits until `index_of` the registry is higher than the client's index, the time is over, the client sends no more or the agent
    /// stops; then reads the answer and its index together.
    ///
    /// A client that sends no more may be gone, and must not keep its place among those who wait.
    pub(super) async fn answer<T>(
        self,
        agent: &Agent,
        peer: Option<&Peer>,
        index_of: impl Fn(&Catalog) -> u64,
        read: impl Fn(&Catalog) -> T,
    ) -> Result<(u64, T), Rejection> {
        let now = |least: u64| agent.with(|catalog| (index_of(catalog) > least).then(|| (index_of(catalog), read(catalog))));
        if self.index > 0 {
            let _permit = agent.0.waiting.try_acquire().map_err(|_| Rejection::Busy)?;
            let limit = self.limit.filter(|limit| !limit.is_zero()).unwrap_or(DEFAULT_WAIT).min(MAX_WAIT);
            let deadline = Instant::now() + limit;
            let mut changed = agent.0.changed.subscribe();
            let mut closing = agent.0.closing.subscribe();
            loop {
                changed.mark_unchanged();
                if let Some(answer) = now(self.index) {
                    return Ok(answer);
                }
                let woken = tokio::select! {
                    woken = timeout_at(deadline, changed.changed()) => woken.is_ok(),
                    _ = closing.wait_for(|closing| *closing) => false,
                    () = gone(peer) => false,
                };
                if !woken {
                    break;
                }
            }
        }
        Ok(agent.with(|catalog| (index_of(catalog), read(catalog))))
    }
}

/// Completes when it is known that the client sends no more.
async fn gone(peer: Option<&Peer>) {
    match peer {
        Some(peer) => peer.sends_no_more().await,
        None => std::future::pending().await,
    }
}
