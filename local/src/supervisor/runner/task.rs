//! What runs on behalf of a [`Runner`](super::Runner): the life of one process.

use std::io;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep};
use user_info_api::Exit;

use super::child::ChildProcess;
use super::confirm::confirmed;
use super::status::Status;
use crate::http::Http;
use crate::supervisor::backoff::RestartBackoff;
use crate::supervisor::event::Event;
use crate::supervisor::launch::Launch;
use crate::supervisor::process::ProcessState;

/// Exit code of a program whose configuration cannot be used: starting it again would not help.
const EXIT_CONFIG: i32 = Exit::Usage as i32;
/// Pause before a config file that could not be written is written again.
const RETRY: Duration = Duration::from_millis(500);
/// On top of what a process may take to stop.
const GRACE: Duration = Duration::from_secs(2);

pub(super) struct Task {
    pub(super) wants: watch::Receiver<Option<Arc<Launch>>>,
    pub(super) status: Status,
    pub(super) http: Http,
    pub(super) rolling: Arc<Semaphore>,
    /// Held from before a restart for a change until the process is ready again.
    pub(super) permit: Option<OwnedSemaphorePermit>,
    pub(super) events: mpsc::UnboundedSender<Event>,
    pub(super) backoff: RestartBackoff,
}

/// Why a process does not run any more.
enum End {
    Told,
    /// Unasked: how, and whether it would help to start it again.
    Itself {
        how: String,
        again: bool,
    },
}

impl Task {
    /// Until the runner is gone.
    pub(super) async fn run(mut self) {
        loop {
            let Some(launch) = self.wants.borrow_and_update().clone() else {
                // any => Stopped, until it is wanted again
                self.status.enter(ProcessState::Stopped, |p| p.pid = None);
                if self.wants.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let started = Instant::now();
            match self.live(launch).await {
                End::Told => {}
                End::Itself { how, again } => {
                    let pause = again.then(|| self.backoff.after(started));
                    self.pause(how, pause).await;
                }
            }
        }
    }

    /// One run of the process, from its start to its end.
    async fn live(&mut self, launch: Arc<Launch>) -> End {
        let mut child = match self.start(&launch) {
            Ok(child) => child,
            Err(error) => return End::Itself { how: format!("{}: {error}", launch.program.display()), again: true },
        };
        match self.watch_over(&mut child, launch).await {
            Ok(None) => End::Told,
            Ok(Some(status)) => {
                let said = child.last_line().map(|line| format!(": {line}")).unwrap_or_default();
                End::Itself { how: format!("{status}{said}"), again: status.code() != Some(EXIT_CONFIG) }
            }
            Err(error) => End::Itself { how: error.to_string(), again: true },
        }
    }

    fn start(&self, launch: &Launch) -> io::Result<ChildProcess> {
        // any => Starting
        self.status.enter(ProcessState::Starting, |p| {
            p.generation = None;
            p.grpc = launch.grpc;
            p.http = Some(launch.http);
            p.admin = Some(launch.admin);
            p.weight = launch.weight;
        });
        launch.prepare()?;
        launch.put()?;
        let child = ChildProcess::start(launch, &self.events)?;
        self.status.update(|p| p.pid = child.pid());
        Ok(child)
    }

    /// Returns when the process has ended: with its status if it did by itself, with none if it was told to.
    async fn watch_over(&mut self, child: &mut ChildProcess, mut launch: Arc<Launch>) -> io::Result<Option<ExitStatus>> {
        loop {
            tokio::select! {
                biased;
                status = child.ended() => return status.map(Some),
                changed = self.wants.changed() => {
                    let wanted = if changed.is_ok() { self.wants.borrow_and_update().clone() } else { None };
                    match wanted {
                        Some(new) if let Err(error) = new.prepare() => self.unwritten(&new, &error).await,
                        Some(new) if new.restart_hash == launch.restart_hash => {
                            new.put()?;
                            launch = new;
                        }
                        Some(_) => match self.turn().await {
                            Some(permit) => {
                                self.permit = Some(permit);
                                return self.stop(child, &launch).await.map(|()| None);
                            }
                            None => self.wants.mark_changed(), // wanted otherwise by now
                        },
                        None => return self.stop(child, &launch).await.map(|()| None),
                    }
                }
                () = confirmed(&self.http, &self.status, &launch) => self.confirmed(&launch),
            }
        }
    }

    /// Notes that the process is ready, or if it is, that the generation of `launch` is in force.
    fn confirmed(&mut self, launch: &Launch) {
        let ready = self.status.process().state == ProcessState::Ready;
        if ready {
            self.status.update(|p| {
                p.generation = Some(launch.generation);
                p.note = None;
            });
        } else {
            // Starting => Ready
            self.permit = None;
            self.status.enter(ProcessState::Ready, |p| p.note = None);
        }
    }

    /// A config file that cannot be written, such as to a full disk, is no reason to stop what runs: it is tried again after a pause.
    async fn unwritten(&mut self, launch: &Launch, error: &io::Error) {
        let note = format!("{}: {error}; the last config stays in force", launch.config_file.display());
        self.status.update(|p| p.note = Some(note));
        sleep(RETRY).await;
        self.wants.mark_changed();
    }

    /// Waits for the turn to restart; none if something else is wanted meanwhile.
    async fn turn(&mut self) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            permit = Arc::clone(&self.rolling).acquire_owned() => permit.ok(),
            _ = self.wants.changed() => None,
        }
    }

    async fn stop(&self, child: &mut ChildProcess, launch: &Launch) -> io::Result<()> {
        // Ready => Draining
        self.status.enter(ProcessState::Draining, |_| {});
        child.stop(launch.stop_limit + GRACE).await
    }

    /// Says that the process ended by itself, and waits for `pause`, or without one for another configuration.
    async fn pause(&mut self, how: String, pause: Option<Duration>) {
        self.permit = None;
        let name = self.status.process().name.clone();
        let _ = self.events.send(Event::Ended { name, how: how.clone(), pause });
        // any => Restarting | Failed
        let state = if pause.is_some() { ProcessState::Restarting } else { ProcessState::Failed };
        self.status.enter(state, |p| {
            p.pid = None;
            p.restarts += u32::from(pause.is_some());
            p.generation = None;
            p.note = Some(how);
        });
        let over = async {
            match pause {
                Some(pause) => sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = over => {}
            _ = self.wants.changed() => self.wants.mark_changed(),
        }
    }
}
