//! Runs one process: starts it, watches over it, starts it again when it ends by itself, stops it when told.

mod task;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;

use self::task::Task;
use super::backoff::Backoff;
use super::launch::Launch;
use crate::http::Http;
use crate::page::{Process, ProcessState};

/// A line that a process wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The process.
    pub name: String,
    /// Whether it was written to standard output, not to standard error.
    pub stdout: bool,
    /// The line.
    pub text: String,
}

/// What happens to a process that a person wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// It wrote a line.
    Line(Line),
    /// It ended by itself.
    Ended {
        /// The process.
        name: String,
        /// How, and what it said last.
        how: String,
        /// The pause before it starts again; none if it does not.
        pause: Option<Duration>,
    },
    /// Its state or the generation it confirmed changed.
    Changed,
}

/// When a process entered its state.
type Since = Arc<Mutex<Instant>>;

/// A process being run. Dropped, the process ends.
#[derive(Debug)]
pub struct Runner {
    wanted: watch::Sender<Option<Arc<Launch>>>,
    process: watch::Receiver<Process>,
    since: Since,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.task.abort(); // which closes the process's standard input, and so ends it
    }
}

impl Runner {
    /// Starts `launch`. `rolling` lets one process at a time restart for a change.
    pub fn start(launch: Launch, http: Http, rolling: Arc<Semaphore>, events: mpsc::UnboundedSender<Event>) -> Self {
        let process = Process {
            name: launch.name.clone(),
            role: launch.role,
            state: ProcessState::Starting,
            pid: None,
            grpc: launch.grpc,
            http: Some(launch.http),
            admin: Some(launch.admin),
            restarts: 0,
            weight: launch.weight,
            generation: None,
            since_seconds: 0,
            note: None,
        };
        let since = Arc::new(Mutex::new(Instant::now()));
        let (wanted, wants) = watch::channel(Some(Arc::new(launch)));
        let (shown, process) = watch::channel(process);
        let task = Task { wants, shown, since: Arc::clone(&since), http, rolling, permit: None, events, backoff: Backoff::default() };
        Self { wanted, process, since, task: tokio::spawn(task.run()) }
    }

    /// Runs `launch` from now on; restarts only if it has to.
    pub fn change(&self, launch: Launch) {
        self.wanted.send_if_modified(|wanted| {
            let launch = Some(Arc::new(launch));
            let changed = *wanted != launch;
            *wanted = launch;
            changed
        });
    }

    /// Stops the process; the runner stays.
    pub fn stop(&self) {
        self.wanted.send_if_modified(|wanted| wanted.take().is_some());
    }

    /// Whether it was told to stop.
    pub fn is_stopping(&self) -> bool {
        self.wanted.borrow().is_none()
    }

    /// How the process is.
    pub fn process(&self) -> Process {
        let since_seconds = self.since.lock().unwrap_or_else(PoisonError::into_inner).elapsed().as_secs();
        Process { since_seconds, ..self.process.borrow().clone() }
    }

    /// Waits until the process has stopped as told.
    pub async fn stopped(&mut self) {
        let _ = self.process.wait_for(|p| p.state == ProcessState::Stopped).await;
    }
}
