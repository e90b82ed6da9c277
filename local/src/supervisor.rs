//! Runs the instances and the clients: starts, changes, restarts and stops them as the spec asks.

mod allocation;
mod backoff;
mod error;
mod event;
mod launch;
mod process;
mod runner;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::time::Instant;

pub use allocation::NoPort;
pub use error::ApplyError;
pub use event::{Event, Line};
pub use launch::{Environment, USER_CLIENT, USER_INFO};
pub use process::{Process, ProcessState, Role};

use self::allocation::Allocation;
use self::launch::Launch;
use self::runner::Runner;
use crate::http::Http;
use crate::ports::Ports;
use crate::spec::RunningSpec;

/// The running processes.
#[derive(Debug)]
pub struct Supervisor {
    environment: Environment,
    runners: BTreeMap<String, Runner>,
    allocation: Allocation,
    http: Http,
    rolling: Arc<Semaphore>,
    events: mpsc::UnboundedSender<Event>,
    /// Generation of the spec to come to; none while changes are not carried out.
    wanted: Option<i64>,
    changed: Instant,
}

impl Supervisor {
    /// Nothing runs yet; [`apply`](Self::apply) starts what a spec asks for. What happens comes through the receiver.
    pub fn new(environment: Environment, ports: Ports, http: Http) -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (events, happens) = mpsc::unbounded_channel();
        let supervisor = Self {
            environment,
            runners: BTreeMap::new(),
            allocation: Allocation::new(ports),
            http,
            rolling: Arc::new(Semaphore::new(1)),
            events,
            wanted: None,
            changed: Instant::now(),
        };
        (supervisor, happens)
    }

    /// Brings the processes to what `spec` asks for: starts, changes live, restarts one after the other, or stops.
    ///
    /// # Errors
    /// If no port is free, or the services would refuse their settings; what was started before that runs.
    pub fn apply(&mut self, spec: &RunningSpec) -> Result<(), ApplyError> {
        self.changed = Instant::now();
        self.wanted = (!spec.resource().spec.operation.paused).then(|| spec.generation());
        if self.wanted.is_none() {
            return Ok(());
        }
        let (instances, clients) = launch::wanted(spec.resource());
        self.allocation.allocate(spec.resource(), instances, clients)?;
        let launches = launch::all(spec, &self.environment, &self.allocation)?;
        for (name, runner) in &self.runners {
            if !launches.iter().any(|launch| launch.name == *name) {
                runner.stop();
            }
        }
        for launch in launches {
            match self.runners.get(&launch.name) {
                Some(runner) => runner.change(launch),
                None => self.start(launch),
            }
        }
        Ok(())
    }

    fn start(&mut self, launch: Launch) {
        let name = launch.name.clone();
        let runner = Runner::start(launch, self.http.clone(), Arc::clone(&self.rolling), self.events.clone());
        self.runners.insert(name, runner);
    }

    /// The instances and clients that run or ought to, instances first.
    pub fn processes(&self) -> Vec<Process> {
        let shown = |process: &Process| process.state != ProcessState::Stopped;
        let mut processes: Vec<Process> = self.runners.values().map(Runner::process).filter(shown).collect();
        processes.sort_by_key(|p| (p.role != Role::UserInfo, p.name.len(), p.name.clone()));
        processes.iter_mut().for_each(|process| self.note_taken(process));
        processes
    }

    /// Says in the note of a process, or of a part of this one, which ports it should have that are taken.
    pub fn note_taken(&self, process: &mut Process) {
        self.allocation.note_taken(process);
    }

    /// How long the processes took to come to what the spec asks for; none if they have not.
    pub fn settled(&self) -> Option<Duration> {
        let generation = self.wanted?;
        let there = |runner: &Runner| {
            let process = runner.process();
            if runner.is_stopping() {
                process.state == ProcessState::Stopped
            } else {
                process.state == ProcessState::Ready && process.generation == Some(generation)
            }
        };
        self.runners.values().all(there).then(|| self.changed.elapsed())
    }

    /// Ends all processes: the clients first, so that no call fails for want of an instance.
    pub async fn shut_down(mut self) {
        for client in [true, false] {
            let mut those: Vec<&mut Runner> =
                self.runners.values_mut().filter(|r| (r.process().role == Role::UserClient) == client).collect();
            those.iter().for_each(|r| r.stop());
            for runner in &mut those {
                runner.stopped().await;
            }
        }
    }
}
