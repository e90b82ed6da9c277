//! A started program: its standard streams, its signals, its end.

use std::io;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::supervisor::event::{Event, Line};
use crate::supervisor::launch::Launch;

/// A program that runs. Dropped, it is killed.
#[derive(Debug)]
pub(super) struct ChildProcess {
    child: Child,
    /// The end of its standard input that keeps it running. [`Child::wait`] would close it.
    _stdin: Option<ChildStdin>,
    /// The last line of its standard error.
    last: watch::Receiver<Option<String>>,
}

impl ChildProcess {
    /// Starts the program of `launch`, whose lines go to `events`.
    pub(super) fn start(launch: &Launch, events: &mpsc::UnboundedSender<Event>) -> io::Result<Self> {
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
        let (sender, last) = watch::channel(None);
        if let Some(stdout) = child.stdout.take() {
            tokio::spawn(forward(stdout, launch.name.clone(), true, events.clone(), None));
        }
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(forward(stderr, launch.name.clone(), false, events.clone(), Some(sender)));
        }
        let stdin = child.stdin.take();
        Ok(Self { child, _stdin: stdin, last })
    }

    /// Process id, while it runs.
    pub(super) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until it ends.
    pub(super) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// What it said last on standard error.
    pub(super) fn last_line(&self) -> Option<String> {
        self.last.borrow().clone()
    }

    /// Tells it to stop, and kills it after `limit`.
    pub(super) async fn stop(&mut self, limit: Duration) -> io::Result<()> {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM); // gone already is as good
        }
        if timeout(limit, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }
}

/// Sends the lines of a stream on, and keeps the last in `last`.
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
