//! Keeps this instance registered: one task from start to stop.

mod homes;
mod schedule;

use std::time::Duration;

use futures_util::future::{FusedFuture, FutureExt, join_all};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use user_info_api::config::Consul;
use user_info_consul::Registration;

use super::client::{AgentClient, CallError, SetupError};
use super::instance::Instance;
use super::metrics::RegistrarMetrics;
use homes::Homes;
use schedule::{Schedule, Step, StepOutcome};

/// Longest time that a step in flight may take when the end has come. One that is cut off ends its connection, and behind a balancer the
/// next one may not lead to the agent that has us.
const LAST_STEP: Duration = Duration::from_secs(1);
/// Longest time that leaving the registry may take after that.
const LEAVE: Duration = Duration::from_secs(2);
/// Connections on which an agent is looked for behind a balancer.
const TRIES: usize = 8;

/// Where this instance stands with the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrarState {
    /// Not registered yet, or left.
    Unregistered,
    /// Known to this agent, which has answered the last heartbeat.
    Registered {
        /// `host:port` of the agent.
        agent: String,
    },
    /// Not registered, or not heard.
    Failing {
        /// Since when.
        since: Instant,
        /// The last error.
        error: String,
    },
}

impl RegistrarState {
    /// Whether the registry knows this instance.
    pub fn is_registered(&self) -> bool {
        matches!(self, Self::Registered { .. })
    }
}

/// Registers an instance with one agent at a time, and sends its heartbeats.
///
/// Stays with an agent until it fails, then goes to the next; the entry left behind is removed when the old agent is back. Where several
/// agents stand behind one address, it stays with one of them as long as its connection lives; when another one answers, it registers
/// there, and removes the entry at the former one.
#[derive(Debug)]
pub struct Registrar {
    agents: Vec<AgentClient>,
    registration: Registration,
    check: String,
    interval: Duration,
    schedule: Schedule,
    homes: Homes,
    /// Whether the node has to be asked for that has us since the last registration.
    moved: bool,
    /// Whether the token is not allowed to ask for it.
    hidden: bool,
    /// Whether it was said that an address leads to several agents.
    told: bool,
    state: watch::Sender<RegistrarState>,
    metrics: RegistrarMetrics,
}

impl Registrar {
    /// A registrar of `instance`; `section` is where `consul` stands in the config file, for messages.
    ///
    /// # Errors
    /// If the TLS settings or an endpoint cannot be used.
    pub fn new(consul: &Consul, section: &'static str, instance: &Instance, metrics: RegistrarMetrics) -> Result<Self, SetupError> {
        let agents = AgentClient::all(consul, section)?;
        let interval = consul.interval.get();
        Ok(Self {
            schedule: Schedule::new(agents.len(), interval),
            homes: Homes::new(agents.len()),
            moved: true,
            hidden: false,
            told: false,
            agents,
            registration: instance.registration(consul)?,
            check: instance.ttl_check(),
            interval,
            state: watch::Sender::new(RegistrarState::Unregistered),
            metrics,
        })
    }

    /// Follows where this instance stands.
    pub fn state(&self) -> watch::Receiver<RegistrarState> {
        self.state.subscribe()
    }

    /// Keeps the instance registered until `shutdown`, then removes it, which takes at most 3 s.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let shutdown = shutdown.fuse();
        tokio::pin!(shutdown);
        let mut delay = Duration::ZERO;
        while !shutdown.is_terminated() {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = sleep(delay) => {}
            }
            let end = async {
                (&mut shutdown).await;
                sleep(LAST_STEP).await;
            };
            delay = tokio::select! {
                biased;
                delay = self.turn() => delay,
                () = end => break,
            };
        }
        self.leave().await;
    }

    /// Takes one step; returns how long to wait before the next.
    async fn turn(&mut self) -> Duration {
        let (step, result) = match self.schedule.next() {
            step @ Step::Register(agent) => (step, self.agents[agent].register(&self.registration).await),
            step @ Step::Heartbeat(agent) => (step, self.agents[agent].pass(&self.check).await),
        };
        let outcome = outcome(step, &result);
        let delay = self.schedule.finish(outcome);
        match (step, result) {
            (Step::Register(_), Ok(())) => {
                self.moved = true;
                delay
            }
            (Step::Heartbeat(agent), Ok(())) => {
                self.heard_by(agent);
                let started = Instant::now();
                // What is not done in time is done after the next heartbeat, which must not be late.
                let _ = timeout(self.interval / 2, async {
                    self.find_home(agent).await;
                    self.clean_up().await;
                    self.sweep().await;
                })
                .await;
                delay.saturating_sub(started.elapsed())
            }
            (_, Err(error)) => {
                if outcome == StepOutcome::Forgotten && self.hidden && !self.told {
                    self.told = true;
                    let agent = error.agent();
                    tracing::warn!(
                        agent,
                        "the agent has forgotten this instance; if the address leads to several agents, give an agent of one's own, or the \
                         token the right agent:read, so that entries left at the others can be removed",
                    );
                }
                self.failed(&error);
                delay
            }
        }
    }

    /// Asks the agent that has answered the first heartbeat after a registration for its node. Without the right to ask, entries left behind
    /// are not removed before their time.
    async fn find_home(&mut self, agent: usize) {
        if !self.moved {
            return;
        }
        let node = match self.agents[agent].node().await {
            Ok(node) => node,
            Err(error) => {
                self.moved = error.status().is_none();
                self.hidden = matches!(error.status(), Some(401 | 403));
                tracing::debug!(%error, "the agent does not tell its node");
                return;
            }
        };
        (self.moved, self.hidden) = (false, false);
        let before = self.homes.found(agent, node.clone());
        if let Some(before) = before
            && !self.told
        {
            self.told = true;
            let agent = self.agents[agent].address();
            tracing::warn!(
                agent,
                node,
                before,
                "the address leads to several agents of Consul; entries left at former ones are removed, but an agent of one's own is better",
            );
        }
    }

    fn heard_by(&self, agent: usize) {
        let agent = self.agents[agent].address();
        self.metrics.registered.set(1);
        self.state.send_if_modified(|state| {
            if matches!(state, RegistrarState::Registered { agent: known } if known == agent) {
                return false;
            }
            tracing::info!(id = self.registration.id, service = self.registration.name, agent, "registered");
            *state = RegistrarState::Registered { agent: agent.to_owned() };
            true
        });
    }

    fn failed(&self, error: &CallError) {
        self.metrics.heartbeat_failures.inc();
        self.metrics.registered.set(0);
        self.state.send_modify(|state| {
            let since = match state {
                RegistrarState::Failing { since, .. } => *since,
                _ => {
                    tracing::warn!(%error, id = self.registration.id, "not registered, trying on");
                    Instant::now()
                }
            };
            *state = RegistrarState::Failing { since, error: error.to_string() };
        });
    }

    /// Removes entries left behind at agents that are back; those still away get another try with the next heartbeat.
    async fn clean_up(&mut self) {
        for (agent, _) in self.deregister(self.schedule.stale(), self.interval / 2).await {
            tracing::info!(id = self.registration.id, agent = self.agents[agent].address(), "removed the entry left behind");
            self.schedule.cleaned(agent);
        }
    }

    /// Removes entries left at agents behind a balancer: by the agent itself if one of a few connections leads to it, else from the catalog.
    async fn sweep(&mut self) {
        let id = self.registration.id.clone();
        for agent in 0..self.agents.len() {
            for _ in 0..TRIES {
                if !self.homes.left().iter().any(|left| left.agent == agent) {
                    break;
                }
                let other = self.agents[agent].another();
                let Ok(node) = other.node().await else { break };
                if let Some(left) = self.homes.left().into_iter().find(|left| left.node == node)
                    && other.deregister(&id).await.is_ok()
                {
                    tracing::info!(id, node, "removed the entry left behind");
                    self.homes.settled(&left);
                }
            }
        }
        for left in self.homes.left() {
            match self.agents[left.agent].remove(&left.node, &id).await {
                Ok(()) => tracing::info!(id, node = left.node, "removed the entry left behind from the catalog"),
                Err(error) if error.status().is_some() => tracing::warn!(%error, id, node = left.node, "the entry left behind stays"),
                Err(_) => continue,
            }
            self.homes.settled(&left);
        }
    }

    async fn leave(mut self) {
        self.metrics.registered.set(0);
        let touched = self.schedule.touched();
        let started = Instant::now();
        let gone = self.deregister(touched.clone(), LEAVE).await;
        for &(agent, knew) in &gone {
            self.homes.forgot(agent, knew);
        }
        let _ = timeout(LEAVE.saturating_sub(started.elapsed()), self.sweep()).await;
        for agent in touched.iter().filter(|agent| gone.iter().all(|(gone, _)| gone != *agent)) {
            tracing::warn!(id = self.registration.id, agent = self.agents[*agent].address(), "could not deregister");
        }
        for left in self.homes.left() {
            tracing::warn!(id = self.registration.id, node = left.node, "could not deregister");
        }
        self.state.send_replace(RegistrarState::Unregistered);
    }

    /// Deregisters from `agents` at the same time; returns those that hold no entry of ours any more, and whether they held one.
    async fn deregister(&self, agents: Vec<usize>, limit: Duration) -> Vec<(usize, bool)> {
        let calls = agents.into_iter().map(async |agent| {
            let gone = timeout(limit, self.agents[agent].deregister(&self.registration.id)).await;
            if let Ok(Ok(knew)) = gone { Some((agent, knew)) } else { None }
        });
        join_all(calls).await.into_iter().flatten().collect()
    }
}

/// What an answer means for the schedule. An agent that lost us answers a heartbeat with 404, before 1.11 with 500.
fn outcome(step: Step, result: &Result<(), CallError>) -> StepOutcome {
    let Err(error) = result else { return StepOutcome::Done };
    match (step, error.status()) {
        (Step::Heartbeat(_), Some(404 | 500)) => StepOutcome::Forgotten,
        _ if error.is_agent_failure() => StepOutcome::AgentFailed,
        _ => StepOutcome::Refused,
    }
}
