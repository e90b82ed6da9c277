//! What a registrar does next: a pure state machine, fed with the outcome of each step.

use std::time::Duration;

use user_info_backoff::Backoff;

/// What to do, and with which agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Register with the agent.
    Register(usize),
    /// Tell the agent that we are well.
    Heartbeat(usize),
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StepOutcome {
    /// As it should.
    Done,
    /// The agent does not know us.
    Forgotten,
    /// The agent is unreachable or in trouble: another may do.
    AgentFailed,
    /// The agent refuses, as any other would.
    Refused,
}

/// Where we stand with the current agent.
#[derive(Debug)]
enum Phase {
    /// Not registered; so many agents in a row were tried in vain.
    Joining { tried: usize },
    /// Registered. `heard`: a heartbeat has been answered since; `missed`: the last one was not.
    Member { heard: bool, missed: bool },
}

/// The state machine. Agents are numbered from 0.
#[derive(Debug)]
pub(super) struct Schedule {
    agents: usize,
    current: usize,
    phase: Phase,
    interval: Duration,
    backoff: Backoff,
    /// Agents that may hold an entry of ours.
    touched: Vec<bool>,
}

impl Schedule {
    /// A schedule for `agents` agents, at least one, with a heartbeat each `interval`.
    pub(super) fn new(agents: usize, interval: Duration) -> Self {
        let backoff = Backoff::new(Duration::from_millis(250).min(interval), Duration::from_secs(10).min(interval)).with_jitter(0.5, 1.0);
        Self { agents, current: 0, phase: Phase::Joining { tried: 0 }, interval, backoff, touched: vec![false; agents] }
    }

    /// The next step. The agent counts as touched from now on, since a step may take effect without an answer.
    pub(super) fn next(&mut self) -> Step {
        self.touched[self.current] = true;
        match self.phase {
            Phase::Joining { .. } => Step::Register(self.current),
            Phase::Member { .. } => Step::Heartbeat(self.current),
        }
    }

    /// Takes in how the step went; returns how long to wait before the next.
    pub(super) fn finish(&mut self, outcome: StepOutcome) -> Duration {
        match (&self.phase, outcome) {
            // Joining -> Member; the first heartbeat at once
            (Phase::Joining { .. }, StepOutcome::Done) => {
                self.phase = Phase::Member { heard: false, missed: false };
                Duration::ZERO
            }
            // Joining -> Joining with the next agent; after all of them a pause
            (Phase::Joining { tried }, StepOutcome::AgentFailed) => {
                let tried = tried + 1;
                self.current = (self.current + 1) % self.agents;
                let round_over = tried >= self.agents;
                self.phase = Phase::Joining { tried: if round_over { 0 } else { tried } };
                if round_over { self.backoff.pause() } else { Duration::ZERO }
            }
            // Joining -> Joining with the same agent: the others would refuse as well
            (Phase::Joining { .. }, StepOutcome::Refused | StepOutcome::Forgotten) => self.backoff.pause(),
            // Member -> Member
            (Phase::Member { .. }, StepOutcome::Done) => {
                self.backoff.reset();
                self.phase = Phase::Member { heard: true, missed: false };
                self.interval
            }
            (Phase::Member { heard, .. }, StepOutcome::Refused) => {
                self.phase = Phase::Member { heard: *heard, missed: false };
                self.backoff.pause()
            }
            // Member -> Joining; at once, unless the agent forgets us each time
            (Phase::Member { heard, .. }, StepOutcome::Forgotten) => {
                let delay = if *heard { Duration::ZERO } else { self.backoff.pause() };
                self.phase = Phase::Joining { tried: 0 };
                delay
            }
            // Member -> Member: a second try at once, since a restarted agent drops idle connections
            (Phase::Member { heard, missed: false }, StepOutcome::AgentFailed) => {
                self.phase = Phase::Member { heard: *heard, missed: true };
                Duration::ZERO
            }
            // Member -> Joining with the next agent
            (Phase::Member { missed: true, .. }, StepOutcome::AgentFailed) => {
                self.current = (self.current + 1) % self.agents;
                self.phase = Phase::Joining { tried: 0 };
                Duration::ZERO
            }
        }
    }

    /// Agents other than the one that has us now that may still hold an entry of ours. None while we are not registered: until then the
    /// old entry is better than nothing.
    pub(super) fn stale(&self) -> Vec<usize> {
        match self.phase {
            Phase::Joining { .. } => Vec::new(),
            Phase::Member { .. } => self.touched().into_iter().filter(|&agent| agent != self.current).collect(),
        }
    }

    /// Every agent that may hold an entry of ours.
    pub(super) fn touched(&self) -> Vec<usize> {
        (0..self.agents).filter(|&agent| self.touched[agent]).collect()
    }

    /// Notes that `agent` holds no entry of ours any more.
    pub(super) fn cleaned(&mut self, agent: usize) {
        self.touched[agent] = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_secs(10);

    /// A schedule after these steps and outcomes.
    fn schedule(agents: usize, outcomes: &[StepOutcome]) -> Schedule {
        let mut schedule = Schedule::new(agents, INTERVAL);
        for &outcome in outcomes {
            schedule.next();
            schedule.finish(outcome);
        }
        schedule
    }

    #[test]
    fn registers_then_beats_at_once_then_each_interval() {
        let mut schedule = Schedule::new(1, INTERVAL);
        assert_eq!(schedule.next(), Step::Register(0));
        assert_eq!(schedule.finish(StepOutcome::Done), Duration::ZERO);
        assert_eq!(schedule.next(), Step::Heartbeat(0));
        assert_eq!(schedule.finish(StepOutcome::Done), INTERVAL);
        assert_eq!(schedule.next(), Step::Heartbeat(0));
    }

    #[test]
    fn registers_again_at_once_when_forgotten_but_not_in_a_tight_loop() {
        let mut schedule = schedule(1, &[StepOutcome::Done, StepOutcome::Done]);
        assert_eq!(schedule.finish(StepOutcome::Forgotten), Duration::ZERO);
        assert_eq!(schedule.next(), Step::Register(0));
        assert_eq!(schedule.finish(StepOutcome::Done), Duration::ZERO);
        assert!(schedule.finish(StepOutcome::Forgotten) > Duration::ZERO);
    }

    #[test]
    fn goes_to_the_next_agent_after_two_missed_heartbeats() {
        let mut schedule = schedule(2, &[StepOutcome::Done, StepOutcome::Done, StepOutcome::AgentFailed]);
        assert_eq!(schedule.next(), Step::Heartbeat(0));
        assert_eq!(schedule.finish(StepOutcome::AgentFailed), Duration::ZERO);
        assert_eq!(schedule.next(), Step::Register(1));
        assert_eq!(schedule.stale(), [0; 0], "the old entry stays until there is a new one");
        schedule.finish(StepOutcome::Done);
        assert_eq!(schedule.stale(), [0]);
        schedule.cleaned(0);
        assert_eq!(schedule.stale(), [0; 0]);
        assert_eq!(schedule.touched(), [1]);
    }

    #[test]
    fn one_missed_heartbeat_is_forgiven() {
        let mut schedule = schedule(2, &[StepOutcome::Done, StepOutcome::AgentFailed, StepOutcome::Done, StepOutcome::AgentFailed]);
        assert_eq!(schedule.next(), Step::Heartbeat(0));
    }

    #[test]
    fn pauses_after_a_round_of_dead_agents_and_ever_longer() {
        let mut schedule = Schedule::new(3, INTERVAL);
        let mut pauses = Vec::new();
        for round in 0..8 {
            for agent in 0..3 {
                assert_eq!(schedule.next(), Step::Register(agent), "round {round}");
                pauses.push(schedule.finish(StepOutcome::AgentFailed));
            }
        }
        assert!(pauses.chunks(3).all(|round| round[0].is_zero() && round[1].is_zero() && !round[2].is_zero()), "{pauses:?}");
        assert!(pauses[23] > pauses[2] && pauses[23] <= INTERVAL, "{pauses:?}");
    }

    #[test]
    fn stays_with_an_agent_that_refuses() {
        let mut schedule = Schedule::new(2, INTERVAL);
        assert_eq!(schedule.next(), Step::Register(0));
        assert!(schedule.finish(StepOutcome::Refused) > Duration::ZERO);
        assert_eq!(schedule.next(), Step::Register(0));
    }

    #[test]
    fn an_agent_that_may_have_heard_us_is_cleaned_up_too() {
        let schedule = schedule(2, &[StepOutcome::AgentFailed, StepOutcome::Done]);
        assert_eq!(schedule.stale(), [0]);
    }
}
