//! What runs on behalf of a [`Runner`](super::Runner): the life of one process.

use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use user_info_api::Exit;

use super::{Event, Line, Since};
use crate::http::Http;
use crate::page::{Process, ProcessState};
use crate::supervisor::backoff::Backoff;
use crate::supervisor::launch::Launch;

/// Exit code of a program whose configuration cannot be used: starting it again would not help.
const EXIT_CONFIG: i32 = Exit::Usage as i32;
/// Time between looks at a process that is not ready, or has not confirmed its configuration.
const LOOK: Duration = Duration::from_millis(50);
/// Pause before a config file that could not be written is written again.
const RETRY: Duration = Duration::from_millis(500);
/// On top of what a process may take to stop.
const GRACE: Duration = Duration::from_secs(2);

pub(super) struct Task {
    pub(super) wants: watch::Receiver<Option<Arc<Launch>>>,
    pub(super) shown: watch::Sender<Process>,
    pub(super) since: Since,
    pub(super) http: Http,
    pub(super) rolling: Arc<Semaphore>,
    /// Held from before a restart for a change until the process is ready again.
    pub(super) permit: Option<OwnedSemaphorePermit>,
    pub(super) events: mpsc::UnboundedSender<Event>,
    pub(super) backoff: Backoff,
}

/// Why a process does not run any more.
enum End {
    Itself(ExitStatus),
    Told,
}

impl Task {
    /// Until the runner is gone.
    pub(super) async fn run(mut self) {
        loop {
            let Some(launch) = self.wants.borrow_and_update().clone() else {
                // any => Stopped, until it is wanted again
                self.show(ProcessState::Stopped, |p| p.pid = None);
                if self.wants.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let started = Instant::now();
            let (ended, said) = match self.launch(&launch) {
                Ok((child, held, said)) => {
                    let ended = self.watch_over(child, launch).await.map_err(|e| e.to_string());
                    drop(held);
                    (ended, Some(said))
                }
                Err(error) => (Err(format!("{}: {error}", launch.program.display())), None),
            };
            match ended {
                Ok(End::Told) => {}
                Ok(End::Itself(status)) => {
                    let said = said.and_then(|s| s.borrow().clone()).map(|s| format!(": {s}")).unwrap_or_default();
                    self.ended(format!("{status}{said}"), status.code() != Some(EXIT_CONFIG), started).await;
                }
                Err(error) => self.ended(error, true, started).await,
            }
        }
    }

    /// The process, the end of its standard input that keeps it running, and what it said last.
    fn launch(&self, launch: &Launch) -> std::io::Result<(Child, Option<ChildStdin>, watch::Receiver<Option<String>>)> {
        self.show_launch(launch);
        launch.prepare()?;
        launch.put()?;
        let mut child = Command::new(&launch.program)
            .args(&launch.args)
            .arg("--config")
            .arg(&launch.config_file)
            .arg("--stop-with-stdin")
            .stdin(Stdio::piped()) // closed by our end, however it comes: then the process stops
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0) // Ctrl-C is for us; we stop the others in order
            .kill_on_drop(true) // told twice to stop, we do not wait
            .spawn()?;
        let (last, said) = watch::channel(None);
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(forward(stdout, launch.name.clone(), true, self.events.clone(), None));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(forward(stderr, launch.name.clone(), false, self.events.clone(), Some(last)));
        }
        let pid = child.id();
        self.shown.send_modify(|p| p.pid = pid);
        let held = child.stdin.take(); // `Child::wait` would close it
        Ok((child, held, said))
    }

    /// Returns when the process has ended, by itself or as told.
    async fn watch_over(&mut self, mut child: Child, mut launch: Arc<Launch>) -> std::io::Result<End> {
        loop {
            tokio::select! {
                biased;
                status = child.wait() => return Ok(End::Itself(status?)),
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
                                return self.stop(child, &launch).await;
                            }
                            None => self.wants.mark_changed(), // wanted otherwise by now
                        },
                        None => return self.stop(child, &launch).await,
                    }
                }
                () = look(&self.http, &self.shown, &launch) => {
                    let ready = self.shown.borrow().state == ProcessState::Ready;
                    if ready {
                        let generation = launch.generation;
                        self.shown.send_modify(|p| {
                            p.generation = Some(generation);
                            p.note = None;
                        });
                        let _ = self.events.send(Event::Changed);
                    } else {
                        // Starting => Ready
                        self.permit = None;
                        self.show(ProcessState::Ready, |p| p.note = None);
                    }
                }
            }
        }
    }

    /// A config file that cannot be written, such as to a full disk, is no reason to stop what runs: it is tried again after a pause.
    async fn unwritten(&mut self, launch: &Launch, error: &std::io::Error) {
        let note = format!("{}: {error}; the last config stays in force", launch.config_file.display());
        if self.shown.borrow().note.as_ref() != Some(&note) {
            self.shown.send_modify(|p| p.note = Some(note));
            let _ = self.events.send(Event::Changed);
        }
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

    async fn stop(&mut self, mut child: Child, launch: &Launch) -> std::io::Result<End> {
        // Ready => Draining
        self.show(ProcessState::Draining, |_| {});
        if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM); // gone already is as good
        }
        if timeout(launch.stop_limit + GRACE, child.wait()).await.is_err() {
            child.kill().await?;
        }
        Ok(End::Told)
    }

    /// A process that ended by itself starts again after a pause; one that cannot use its configuration waits for another.
    async fn ended(&mut self, how: String, again: bool, started: Instant) {
        self.permit = None;
        let pause = again.then(|| self.backoff.after(started));
        let _ = self.events.send(Event::Ended { name: self.shown.borrow().name.clone(), how: how.clone(), pause });
        // any => Restarting | Failed
        let state = if again { ProcessState::Restarting } else { ProcessState::Failed };
        self.show(state, |p| {
            p.pid = None;
            p.restarts += u32::from(again);
            p.generation = None;
            p.note = Some(how);
        });
        let wait = async {
            match pause {
                Some(pause) => sleep(pause).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = wait => {}
            _ = self.wants.changed() => self.wants.mark_changed(),
        }
    }

    fn show_launch(&self, launch: &Launch) {
        self.shown.send_modify(|p| {
            p.state = ProcessState::Starting;
            p.generation = None;
            p.grpc = launch.grpc;
            p.http = Some(launch.http);
            p.admin = Some(launch.admin);
            p.weight = launch.weight;
        });
    }

    fn show(&mut self, state: ProcessState, and: impl FnOnce(&mut Process)) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        self.shown.send_modify(|p| {
            p.state = state;
            and(p);
        });
        let _ = self.events.send(Event::Changed);
    }
}

/// Completes once the process is ready, and after that once it has confirmed its generation.
async fn look(http: &Http, shown: &watch::Sender<Process>, launch: &Launch) {
    let (ready, confirmed) = {
        let process = shown.borrow();
        (process.state == ProcessState::Ready, process.generation == Some(launch.generation))
    };
    if ready && confirmed {
        return std::future::pending().await;
    }
    loop {
        let path = if ready { "/config" } else { "/readyz" };
        if let Some((status, text)) = http.get(launch.admin, path).await
            && status.is_success()
            && (!ready || generation(&text) == Some(launch.generation))
        {
            return;
        }
        sleep(LOOK).await;
    }
}

fn generation(config: &str) -> Option<i64> {
    serde_json::from_str::<serde_json::Value>(config).ok()?.get("generation")?.as_i64()
}

async fn forward(
    from: impl AsyncRead + Unpin,
    name: String,
    stdout: bool,
    events: mpsc::UnboundedSender<Event>,
    last: Option<watch::Sender<Option<String>>>,
) {
    let mut lines = BufReader::new(from).lines();
    while let Ok(Some(text)) = lines.next_line().await {
        if let Some(last) = &last {
            last.send_replace(Some(text.clone()));
        }
        if events.send(Event::Line(Line { name: name.clone(), stdout, text })).is_err() {
            return;
        }
    }
}
