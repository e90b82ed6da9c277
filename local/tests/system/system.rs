//! A running `user-info-local`.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::metrics::{Codes, Metrics};
use crate::support::{check, eventually, get_json, resource};

/// A running `user-info-local`, killed when dropped. Its processes end by themselves then.
pub(crate) struct System {
    child: Child,
    /// Holds the file, and whatever else a test puts there.
    pub(crate) dir: TempDir,
    printed: Arc<Mutex<Printed>>,
    seen: usize,
    table: Vec<Process>,
}

/// One row of the table.
#[derive(Debug, Clone)]
pub(crate) struct Process {
    pub(crate) name: String,
    pub(crate) state: String,
    pub(crate) pid: Option<u32>,
    pub(crate) grpc: Option<SocketAddr>,
    pub(crate) http: SocketAddr,
    pub(crate) restarts: u64,
    pub(crate) note: String,
}

impl Process {
    fn read(row: &Value) -> Self {
        let address = |field: &str| row[field].as_str().map(|a| a.parse().expect("an address"));
        Self {
            name: row["name"].as_str().expect("a name").to_owned(),
            state: row["state"].as_str().expect("a state").to_owned(),
            pid: row["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()),
            grpc: address("grpc"),
            http: address("http").expect("an address"),
            restarts: row["restarts"].as_u64().expect("a number"),
            note: row["note"].as_str().unwrap_or_default().to_owned(),
        }
    }

    fn read_all(rows: &Value) -> Vec<Self> {
        rows.as_array().expect("rows").iter().map(Self::read).collect()
    }
}

impl System {
    /// Starts the program with this spec, and waits until all of it is ready.
    pub(crate) async fn start(spec: &str) -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"), spec, &[]).await
    }

    /// The same in this folder, with more arguments.
    pub(crate) async fn start_in(dir: TempDir, spec: &str, more: &[&str]) -> Self {
        let mut system = Self::launch(dir, &resource(spec), more);
        system.ready().await;
        system
    }

    /// Starts the program with this resource and more arguments, and does not wait.
    pub(crate) fn launch(dir: TempDir, resource: &str, more: &[&str]) -> Self {
        Self::launch_by(Command::new(env!("CARGO_BIN_EXE_user-info-local")), dir, resource, more)
    }

    /// The same by `program`, a command that becomes `user-info-local` with the arguments it is given.
    pub(crate) fn launch_by(mut program: Command, dir: TempDir, resource: &str, more: &[&str]) -> Self {
        std::fs::write(dir.path().join("system.yaml"), resource).expect("written");
        let mut child = program
            .args(["system.yaml", "--output", "json", "--verbose"])
            .args(more)
            .current_dir(dir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let printed = Arc::new(Mutex::new(Printed::default()));
        let (stdout, sink) = (child.stdout.take().expect("piped"), Arc::clone(&printed));
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("not JSON: {e}: {line}"));
                sink.lock().expect("no panic").push(value);
            }
        });
        Self { child, dir, printed, seen: 0, table: Vec::new() }
    }

    /// Waits for the table.
    pub(crate) async fn ready(&mut self) {
        let table = self.event("table").await;
        self.table = Process::read_all(&table["processes"]);
    }

    /// The next `event` that has not been waited for yet.
    pub(crate) async fn event(&mut self, event: &str) -> Value {
        let (printed, seen) = (Arc::clone(&self.printed), self.seen);
        let (at, value) = eventually(&format!("the event {event:?}"), async || {
            let printed = printed.lock().expect("no panic");
            let found = printed.numbered().skip_while(|(at, _)| *at < seen).find(|(_, line)| line["event"] == event);
            found.map(|(at, line)| (at, line.clone())).ok_or_else(|| printed.last())
        })
        .await;
        self.seen = at + 1;
        value
    }

    /// The text of the next `event`.
    pub(crate) async fn message(&mut self, event: &str) -> String {
        self.event(event).await["message"].as_str().expect("a message").to_owned()
    }

    /// The lines of the services' logs that hold `text`, so far.
    pub(crate) fn logged(&self, text: &str) -> Vec<String> {
        let printed = self.printed.lock().expect("no panic");
        let messages = printed.lines.iter().filter(|line| line["event"] == "log").filter_map(|line| line["message"].as_str());
        messages.filter(|message| message.contains(text)).map(str::to_owned).collect()
    }

    /// The row called `name` in the table that was printed.
    pub(crate) fn row(&self, name: &str) -> &Process {
        self.table.iter().find(|p| p.name == name).unwrap_or_else(|| panic!("no {name} in {:?}", self.table))
    }

    /// The instances in the table.
    pub(crate) fn instances(&self) -> Vec<Process> {
        self.table.iter().filter(|p| p.grpc.is_some()).cloned().collect()
    }

    /// The processes that the program has started, as the table says.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.table.iter().filter_map(|p| p.pid).collect()
    }

    /// What the page shows now.
    pub(crate) async fn snapshot(&self) -> Value {
        get_json(self.row("page").http, "/api/state").await["snapshot"].clone()
    }

    /// What runs now.
    pub(crate) async fn processes(&self) -> Vec<Process> {
        Process::read_all(&self.snapshot().await["processes"])
    }

    /// What the client has counted so far.
    pub(crate) async fn client(&self) -> Metrics {
        Metrics::of(self.row("user_client").http).await
    }

    /// What the client has counted so far, by code.
    pub(crate) async fn calls(&self) -> Codes {
        self.client().await.client_codes()
    }

    /// Waits until the client has made `more` successful calls.
    pub(crate) async fn until_called(&self, more: f64) {
        let before = self.calls().await.of("0");
        eventually("calls succeed", async || {
            let calls = self.calls().await;
            check(calls.of("0") >= before + more, calls)
        })
        .await;
    }

    /// The file.
    pub(crate) fn file(&self) -> PathBuf {
        self.dir.path().join("system.yaml")
    }

    /// Saves another spec, as an editor does: in a new file that takes the place of the old one.
    pub(crate) fn save(&self, spec: &str) -> Instant {
        let new = self.dir.path().join(".system.yaml.new");
        std::fs::write(&new, resource(spec)).expect("written");
        let now = Instant::now();
        std::fs::rename(new, self.file()).expect("renamed");
        now
    }

    /// Saves another spec and waits until it is in force everywhere; says how long that took.
    pub(crate) async fn change(&mut self, spec: &str) -> Duration {
        let saved = self.save(spec);
        self.event("settled").await;
        saved.elapsed()
    }

    /// The process of `user-info-local` itself.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// Waits until the program has ended.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let child = &mut self.child;
        eventually("the program ends", async || child.try_wait().expect("ours").ok_or("runs")).await
    }
}

/// The newest lines of what the program printed.
#[derive(Default)]
struct Printed {
    lines: VecDeque<Value>,
    /// How many lines came before those.
    forgotten: usize,
}

impl Printed {
    /// So many are kept, so that hours of `make soak` do not fill the memory.
    const KEPT: usize = 20_000;

    fn push(&mut self, line: Value) {
        if self.lines.len() == Self::KEPT {
            self.lines.pop_front();
            self.forgotten += 1;
        }
        self.lines.push_back(line);
    }

    /// The lines, each with how many came before it.
    fn numbered(&self) -> impl Iterator<Item = (usize, &Value)> {
        (self.forgotten..).zip(&self.lines)
    }

    /// The last lines, for a failure's message.
    fn last(&self) -> String {
        self.lines.iter().skip(self.lines.len().saturating_sub(30)).map(|line| format!("\n  {line}")).collect()
    }
}

impl Drop for System {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the last lines of user-info-local:{}", self.printed.lock().expect("no panic").last());
        }
    }
}

/// Runs `user-info-local` to its end; its exit code, and what it wrote to standard output and standard error.
pub(crate) async fn run_to_end(args: &[&str], dir: &std::path::Path) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_user-info-local"))
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let status = eventually("the program ends", async || child.try_wait().expect("ours").ok_or("runs")).await;
    let read = |from: Option<&mut dyn Read>| {
        let mut text = String::new();
        from.expect("piped").read_to_string(&mut text).expect("text");
        text
    };
    let stdout = read(child.stdout.as_mut().map(|s| s as &mut dyn Read));
    (status.code(), stdout, read(child.stderr.as_mut().map(|s| s as &mut dyn Read)))
}
