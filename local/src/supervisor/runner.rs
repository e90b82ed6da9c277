//! Runs one process: starts it, watches over it, starts it again when it ends by itself, stops it when told.

mod child;
mod confirm;
mod status;
mod task;

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc, watch};

use self::status::Status;
use self::task::Task;
use super::backoff::RestartBackoff;
use super::event::Event;
use super::launch::Launch;
use super::process::{Process, ProcessState};
use crate::http::Http;

/// A process being run. Dropped, the process ends.
#[derive(Debug)]
pub(super) struct Runner {
    wanted: watch::Sender<Option<Arc<Launch>>>,
    process: watch::Receiver<Process>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.task.abort(); // which closes the process's standard input, and so ends it
    }
}

impl Runner {
    /// Starts `launch`. `rolling` lets one process at a time restart for a change.
    pub(super) fn start(launch: Launch, http: Http, rolling: Arc<Semaphore>, events: mpsc::UnboundedSender<Event>) -> Self {
        let (status, process) = Status::new(launch.process(), events.clone());
        let (wanted, wants) = watch::channel(Some(Arc::new(launch)));
        let task = Task { wants, status, http, rolling, permit: None, events, backoff: RestartBackoff::default() };
        Self { wanted, process, task: tokio::spawn(task.run()) }
    }

    /// Runs `launch` from now on; restarts only if it has to.
    pub(super) fn change(&self, launch: Launch) {
        self.wanted.send_if_modified(|wanted| {
            let launch = Some(Arc::new(launch));
            let changed = *wanted != launch;
            *wanted = launch;
            changed
        });
    }

    /// Stops the process; the runner stays.
    pub(super) fn stop(&self) {
        self.wanted.send_if_modified(|wanted| wanted.take().is_some());
    }

    /// Whether it was told to stop.
    pub(super) fn is_stopping(&self) -> bool {
        self.wanted.borrow().is_none()
    }

    /// How the process is.
    pub(super) fn process(&self) -> Process {
        self.process.borrow().clone()
    }

    /// Waits until the process has stopped as told.
    pub(super) async fn stopped(&mut self) {
        let _ = self.process.wait_for(|p| p.state == ProcessState::Stopped).await;
    }
}
