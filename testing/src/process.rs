//! Child processes, and what the kernel tells of processes.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::wait::{PATIENCE, check, eventually};

/// A child process that dies with its handle.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts `command`, silently.
    pub fn start(command: &mut Command) -> Self {
        Self::spawn(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))
    }

    /// Starts `command`, its input and output wherever it says.
    pub fn spawn(command: &mut Command) -> Self {
        Self(command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}")))
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Its output, if that is piped and has not been taken yet.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.0.stdout.take()
    }

    /// Ends its standard input, if that is piped.
    pub fn close_stdin(&mut self) {
        self.0.stdin.take();
    }

    /// Stops the process until [`resume`](Self::resume); returns when all of its threads stand still.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
        waitpid(Some(Pid::from_child(&self.0)), WaitOptions::UNTRACED).expect("the child is ours");
    }

    /// Ends [`stop`](Self::stop).
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).expect("the child is ours and not yet waited for");
    }

    /// Kills the process and waits for its end.
    pub fn kill(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("the child is ours");
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> ExitStatus {
        eventually("the program ends", async || self.0.try_wait().expect("the child is ours")).await
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Runs a program that is to end by itself, in `dir`: its exit code, and what it wrote to standard output and standard error.
pub async fn run(program: impl AsRef<OsStr>, args: &[&str], dir: &Path) -> (Option<i32>, String, String) {
    let mut command = tokio::process::Command::new(program);
    let output = command.args(args).current_dir(dir).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, output).await.expect("it ends in time").expect("it starts");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Sends `signal` to a process that the test started.
pub fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).expect("a process id"), signal).expect("it runs");
}

/// Whether the process runs. One that ended and that nobody has waited for yet does not.
pub fn runs(pid: u32) -> bool {
    after_name(pid).is_some_and(|rest| !rest.starts_with('Z'))
}

/// Waits until none of the processes runs.
pub async fn until_gone(pids: &[u32]) {
    eventually("all processes are gone", async || {
        let left: Vec<_> = pids.iter().filter(|pid| runs(**pid)).collect();
        check(left.is_empty(), left)
    })
    .await;
}

/// Memory of the process that is in RAM, in bytes; 0 if it is gone.
pub fn memory(pid: u32) -> u64 {
    size(pid, "VmRSS")
}

/// A size in `/proc/<pid>/status`, such as `VmHWM`, in bytes; 0 if the process is gone.
pub fn size(pid: u32, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let kib = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':')?.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1024
}

/// File descriptors that the process has open; 0 if it is gone.
pub fn descriptors(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count)
}

/// Time that the process has had of the processors, in ticks of the kernel's clock; 0 if it is gone.
pub fn processor(pid: u32) -> u64 {
    // proc_pid_stat(5): utime and stime are the fields 14 and 15; what follows the name begins with the third.
    let rest = after_name(pid).unwrap_or_default();
    rest.split(' ').skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum()
}

/// What `/proc/<pid>/stat` holds after the name, which may hold blanks itself.
fn after_name(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned())
}
