//! Keeps this instance registered: one task from start to stop.

mod schedule;

use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use user_info_api::config::Consul;
use user_info_consul::Registration;

use super::client::{AgentClient, CallError, SetupError};
use super::instance::Instance;
use super::metrics::RegistrarMetrics;
use schedule::{Schedule, Step, StepOutcome};

/// Longest time that leaving the registry may take.
const LEAVE: Duration = Duration::from_secs(3);

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
/// Stays with an agent until it fails, then goes to the next; the entry left behind is removed when the old agent is back.
#[derive(Debug)]
pub struct Registrar {
    agents: Vec<AgentClient>,
    registration: Registration,
    check: String,
    interval: Duration,
    schedule: Schedule,
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
        tokio::pin!(shutdown);
        let mut delay = Duration::ZERO;
        loop {
            let turn = async {
                sleep(delay).await;
                self.turn().await
            };
            delay = tokio::select! {
                biased;
                () = &mut shutdown => break,
                delay = turn => delay,
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
        let delay = self.schedule.finish(outcome(step, &result));
        match (step, result) {
            (Step::Register(_), Ok(())) => delay,
            (Step::Heartbeat(agent), Ok(())) => {
                self.heard_by(agent);
                let started = Instant::now();
                self.clean_up().await;
                delay.saturating_sub(started.elapsed())
            }
            (_, Err(error)) => {
                self.failed(&error);
                delay
            }
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
        let gone = self.deregister(self.schedule.stale(), self.interval / 2).await;
        for agent in gone {
            tracing::info!(id = self.registration.id, agent = self.agents[agent].address(), "removed the entry left behind");
            self.schedule.cleaned(agent);
        }
    }

    async fn leave(self) {
        self.metrics.registered.set(0);
        let touched = self.schedule.touched();
        let gone = self.deregister(touched.clone(), LEAVE).await;
        for agent in touched.iter().filter(|agent| !gone.contains(agent)) {
            tracing::warn!(id = self.registration.id, agent = self.agents[*agent].address(), "could not deregister");
        }
        self.state.send_replace(RegistrarState::Unregistered);
    }

    /// Deregisters from `agents` at the same time; returns those that hold no entry of ours any more.
    async fn deregister(&self, agents: Vec<usize>, limit: Duration) -> Vec<usize> {
        let calls = agents.into_iter().map(async |agent| {
            let gone = timeout(limit, self.agents[agent].deregister(&self.registration.id)).await;
            matches!(gone, Ok(Ok(()))).then_some(agent)
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
