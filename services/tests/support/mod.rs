//! Real servers for tests: child processes on free ports, with data directories of their own, killed on drop.

#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod mariadb;
pub(crate) mod redis;

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

/// The program called `name`.
///
/// # Panics
/// If it is not installed.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin")])
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("{name} is not installed; run `make setup`"))
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

/// Waits until `holds` does.
///
/// # Panics
/// If that takes 20 seconds; `what` says what was waited for.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let wait = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), wait).await.is_ok(), "waited for 20 s in vain: {what}");
}

/// A child process that dies with its handle.
#[derive(Debug)]
pub(crate) struct Process(Child);

impl Process {
    /// Starts `command`, silently.
    pub(crate) fn start(command: &mut Command) -> Self {
        Self::start_aloud(command.stdout(Stdio::null()).stderr(Stdio::null()))
    }

    /// Starts `command`, its output wherever it says.
    pub(crate) fn start_aloud(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null());
        Self(command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}")))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Stops the process until [`resume`](Self::resume); returns when all of its threads stand still.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        waitpid(Some(Pid::from_child(&self.0)), WaitOptions::UNTRACED).expect("the child is ours");
    }

    /// Ends [`stop`](Self::stop).
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("the child is ours and not yet waited for");
    }

    /// Kills the process and waits for its end.
    pub(crate) fn kill(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("the child is ours");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
