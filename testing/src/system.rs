//! A running `user-info-local`.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::http::get_json;
use crate::metrics::{Codes, Metrics};
use crate::process::{Process, run};
use crate::program::built;
use crate::wait::{check, eventually};

/// The program.
const PROGRAM: &str = "user-info-local";

/// A resource with this spec.
pub fn resource(spec: &str) -> String {
    format!("apiVersion: userinfo.bbs.dev/v1alpha1\nkind: UserInfoDeployment\nmetadata: {{name: system}}\nspec:\n{spec}\n")
}

/// A running `user-info-local`, killed when dropped. Its processes end by themselves then.
#[derive(Debug)]
pub struct System {
    program: Process,
    /// Holds the file, and whatever else a test puts there.
    pub dir: TempDir,
    printed: Arc<Mutex<Printed>>,
    seen: usize,
    table: Vec<Row>,
}

/// One row of the table.
#[derive(Debug, Clone)]
pub struct Row {
    /// Whose it is.
    pub name: String,
    /// How that is.
    pub state: String,
    /// Its process, if it runs as one.
    pub pid: Option<u32>,
    /// Where it serves gRPC, if it does.
    pub grpc: Option<SocketAddr>,
    /// Where it serves HTTP.
    pub http: SocketAddr,
    /// How often it was started again.
    pub restarts: u64,
    /// What else is said of it.
    pub note: String,
}

impl Row {
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
    pub async fn start(spec: &str) -> Self {
        Self::start_in(tempfile::tempdir().expect("a folder"), spec, &[]).await
    }

    /// The same in this folder, with more arguments.
    pub async fn start_in(dir: TempDir, spec: &str, more: &[&str]) -> Self {
        let mut system = Self::launch(dir, &resource(spec), more);
        system.ready().await;
        system
    }

    /// Starts the program with this resource and more arguments, and does not wait.
    pub fn launch(dir: TempDir, resource: &str, more: &[&str]) -> Self {
        Self::launch_by(Command::new(built(PROGRAM)), dir, resource, more)
    }

    /// The same by `program`, a command that becomes `user-info-local` with the arguments it is given.
    pub fn launch_by(mut program: Command, dir: TempDir, resource: &str, more: &[&str]) -> Self {
        std::fs::write(dir.path().join("system.yaml"), resource).expect("written");
        program.args(["system.yaml", "--output", "json", "--verbose"]).args(more).current_dir(dir.path());
        let mut program = Process::spawn(program.stdin(Stdio::null()).stdout(Stdio::piped()));
        let printed = Arc::new(Mutex::new(Printed::default()));
        let (stdout, sink) = (program.stdout().expect("piped"), Arc::clone(&printed));
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("not JSON: {e}: {line}"));
                sink.lock().expect("no panic").push(value);
            }
        });
        Self { program, dir, printed, seen: 0, table: Vec::new() }
    }

    /// Waits for the table.
    pub async fn ready(&mut self) {
        let table = self.event("table").await;
        self.table = Row::read_all(&table["processes"]);
    }

    /// The next `event` that has not been waited for yet.
    pub async fn event(&mut self, event: &str) -> Value {
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
    pub async fn message(&mut self, event: &str) -> String {
        self.event(event).await["message"].as_str().expect("a message").to_owned()
    }

    /// The lines of the services' logs that hold `text`, so far.
    pub fn logged(&self, text: &str) -> Vec<String> {
        let printed = self.printed.lock().expect("no panic");
        let messages = printed.lines.iter().filter(|line| line["event"] == "log").filter_map(|line| line["message"].as_str());
        messages.filter(|message| message.contains(text)).map(str::to_owned).collect()
    }

    /// The row called `name` in the table that was printed.
    pub fn row(&self, name: &str) -> &Row {
        self.table.iter().find(|p| p.name == name).unwrap_or_else(|| panic!("no {name} in {:?}", self.table))
    }

    /// The instances in the table.
    pub fn instances(&self) -> Vec<Row> {
        self.table.iter().filter(|p| p.grpc.is_some()).cloned().collect()
    }

    /// The processes that the program has started, as the table says.
    pub fn pids(&self) -> Vec<u32> {
        self.table.iter().filter_map(|p| p.pid).collect()
    }

    /// What the page shows now.
    pub async fn snapshot(&self) -> Value {
        get_json(self.row("page").http, "/api/state").await["snapshot"].clone()
    }

    /// What runs now.
    pub async fn processes(&self) -> Vec<Row> {
        Row::read_all(&self.snapshot().await["processes"])
    }

    /// What the client has counted so far.
    pub async fn client(&self) -> Metrics {
        Metrics::of(self.row("user_client").http).await
    }

    /// What the client has counted so far, by code.
    pub async fn calls(&self) -> Codes {
        self.client().await.client_codes()
    }

    /// Waits until the client has made `more` successful calls.
    pub async fn until_called(&self, more: f64) {
        let before = self.calls().await.of("0");
        eventually("calls succeed", async || {
            let calls = self.calls().await;
            check(calls.of("0") >= before + more, calls)
        })
        .await;
    }

    /// The file.
    pub fn file(&self) -> PathBuf {
        self.dir.path().join("system.yaml")
    }

    /// Saves another spec, as an editor does: in a new file that takes the place of the old one.
    pub fn save(&self, spec: &str) -> Instant {
        let new = self.dir.path().join(".system.yaml.new");
        std::fs::write(&new, resource(spec)).expect("written");
        let now = Instant::now();
        std::fs::rename(new, self.file()).expect("renamed");
        now
    }

    /// Saves another spec and waits until it is in force everywhere; says how long that took.
    pub async fn change(&mut self, spec: &str) -> Duration {
        let saved = self.save(spec);
        self.event("settled").await;
        saved.elapsed()
    }

    /// The process of `user-info-local` itself.
    pub fn pid(&self) -> u32 {
        self.program.id()
    }

    /// Sends a signal.
    pub fn signal(&self, signal: Signal) {
        self.program.signal(signal);
    }

    /// Waits until the program has ended.
    pub async fn ended(&mut self) -> ExitStatus {
        self.program.ended().await
    }
}

/// The newest lines of what the program printed.
#[derive(Debug, Default)]
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
        self.program.kill();
        if std::thread::panicking() {
            eprintln!("the last lines of user-info-local:{}", self.printed.lock().expect("no panic").last());
        }
    }
}

/// Runs `user-info-local` to its end in `dir`: its exit code, and what it wrote to standard output and standard error.
pub async fn run_to_end(args: &[&str], dir: &Path) -> (Option<i32>, String, String) {
    run(built(PROGRAM), args, dir).await
}
