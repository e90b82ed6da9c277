//! Follows the instances of a service in Consul by blocking queries.

use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use user_info_api::config::{Consul, Discovery};
use user_info_backoff::Backoff;

use super::client::{AgentClient, CallError, SetupError};
use super::decode::{self, Decoded};
use super::discovered::Publisher;
use super::entry::LeftOut;

/// How long an agent may hold a query open, as in Kratos.
const WAIT: Duration = Duration::from_secs(55);
/// Least time between two queries, for the case that each is answered at once.
const SPACING: Duration = Duration::from_millis(100);

/// Time between looks whether the agent that holds a query open still answers. One that stands still would hold it for [`WAIT`] and more.
const PROBE: Duration = Duration::from_secs(10);

/// The state of one watch.
#[derive(Debug)]
pub(super) struct Watcher {
    agents: Vec<AgentClient>,
    current: usize,
    /// Agents in a row that failed.
    failed: usize,
    index: u64,
    service: String,
    version: Option<String>,
    secure: bool,
    backoff: Backoff,
    left_out: LeftOut,
}

impl Watcher {
    pub(super) fn new(consul: &Consul, discovery: &Discovery, secure: bool) -> Result<Self, SetupError> {
        Ok(Self {
            agents: AgentClient::all(consul, "discovery.consul")?,
            current: 0,
            failed: 0,
            index: 0,
            service: discovery.service.clone(),
            version: discovery.version.clone(),
            secure,
            backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(5)).with_jitter(0.5, 1.0),
            left_out: LeftOut::default(),
        })
    }

    /// Queries for ever.
    pub(super) async fn run(mut self, publisher: &Publisher) {
        loop {
            let next = Instant::now() + SPACING;
            let agent = &self.agents[self.current];
            let answer = tokio::select! {
                biased;
                answer = agent.healthy(&self.service, self.index, WAIT) => answer,
                silent = silence(agent) => Err(silent),
            };
            match answer {
                Ok((index, entries)) => {
                    self.index = next_index(self.index, index);
                    self.failed = 0;
                    self.backoff.reset();
                    let Decoded { instances, invalid, others } = decode::instances(entries, self.version.as_deref(), self.secure);
                    publisher.found(instances, invalid.len());
                    self.left_out.report(&self.service, invalid);
                    self.left_out.note(&self.service, others);
                    sleep_until(next).await;
                }
                Err(error) => {
                    publisher.failed(&error);
                    // a restarted or another agent counts from elsewhere
                    self.index = 0;
                    if error.is_agent_failure() {
                        self.current = (self.current + 1) % self.agents.len();
                        self.failed += 1;
                    }
                    if !error.is_agent_failure() || self.failed >= self.agents.len() {
                        self.failed = 0;
                        sleep(self.backoff.pause()).await;
                    }
                }
            }
        }
    }
}

/// Completes once `agent` answers nothing any more.
async fn silence(agent: &AgentClient) -> CallError {
    loop {
        sleep(PROBE).await;
        match agent.leader().await {
            Err(error) if error.is_silence() => return error,
            _ => {}
        }
    }
}

/// The index to ask with after an answer: never 0, which would not block, and from the start if the agent counts backwards
/// (Consul's documentation, "Blocking Queries").
fn next_index(asked: u64, answered: u64) -> u64 {
    let answered = answered.max(1);
    if answered < asked { 0 } else { answered }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn index_never_goes_backwards_nor_stays_zero() {
        for (asked, answered, next) in [(0, 12, 12), (12, 12, 12), (12, 13, 13), (12, 5, 0), (0, 0, 1), (1, 0, 1), (9, 0, 0)] {
            assert_eq!(next_index(asked, answered), next, "{asked} then {answered}");
        }
    }
}
