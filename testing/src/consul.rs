//! Consul processes that end with the test.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::http::get;
use crate::port::free_ports;
use crate::program::tool;
use crate::wait::{check, eventually};

/// Runs Consul until standard input ends: also if the test process is killed.
const WRAPPER: &str = r#"consul=$1 log=$2; shift 2
"$consul" "$@" </dev/null >"$log" 2>&1 & echo $!
cat >/dev/null; kill -CONT $!; kill -KILL $!; wait"#;

/// A Consul server in development mode, on ports of its own.
#[derive(Debug)]
pub struct Consul {
    /// `host:port` of the HTTP or HTTPS listener.
    pub address: String,
    running: Running,
    dir: TempDir,
}

/// One run of the program.
#[derive(Debug)]
struct Running {
    pid: Pid,
    wrapper: Child,
    stdin: Option<ChildStdin>,
}

impl Consul {
    /// The Consul that all tests of a process share; it may have to be waited for.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Consul> = OnceLock::new();
        SHARED.get_or_init(|| Self::launch("", false))
    }

    /// Starts a Consul and waits until it is ready.
    pub async fn start() -> Self {
        let consul = Self::launch("", false);
        consul.ready().await;
        consul
    }

    /// Starts a Consul with `hcl` added to its configuration, and does not wait; with `https` it listens on HTTPS instead of HTTP.
    pub fn launch(hcl: &str, https: bool) -> Self {
        let dir = tempfile::tempdir().expect("temporary directory");
        let [http, server, lan, wan] = free_ports();
        let (plain, tls) = if https { (-1, i32::from(http)) } else { (i32::from(http), -1) };
        let config = format!(
            "{hcl}\nports {{ http = {plain} https = {tls} dns = -1 grpc = -1 server = {server} serf_lan = {lan} serf_wan = {wan} }}\n"
        );
        std::fs::write(dir.path().join("consul.hcl"), config).expect("written");
        Self { address: format!("127.0.0.1:{http}"), running: Running::start(dir.path()), dir }
    }

    /// Ends the process at once. What was registered is lost.
    pub fn kill(&mut self) {
        self.running.end();
    }

    /// Starts it again, empty, after [`kill`](Self::kill).
    pub async fn restart(&mut self) {
        self.running = Running::start(self.dir.path());
        self.ready().await;
    }

    /// Waits until it takes registrations.
    pub async fn ready(&self) {
        let address = self.address.parse().expect("an address");
        eventually("Consul starts", async || {
            let (status, text) = get(address, "/v1/catalog/services").await;
            check(status == 200 && text.contains("consul"), text)
        })
        .await;
    }

    /// Stops the process as if the machine hung, or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        kill_process(self.running.pid, if frozen { Signal::STOP } else { Signal::CONT }).expect("runs");
    }
}

impl Running {
    /// Starts Consul with the configuration in `dir`.
    fn start(dir: &Path) -> Self {
        let mut wrapper = Command::new("sh")
            .args(["-c", WRAPPER, "sh"])
            .arg(tool("consul"))
            .arg(dir.join("consul.log"))
            .args(["agent", "-dev", "-bind", "127.0.0.1", "-client", "127.0.0.1", "-config-file"])
            .arg(dir.join("consul.hcl"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh starts");
        let mut line = String::new();
        BufReader::new(wrapper.stdout.take().expect("piped")).read_line(&mut line).expect("the process id");
        let pid = line.trim().parse().ok().and_then(Pid::from_raw).expect("a process id");
        Self { pid, stdin: wrapper.stdin.take(), wrapper }
    }

    fn end(&mut self) {
        self.stdin.take();
        let _ = self.wrapper.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs `consul` with `args` in `dir`.
pub fn run(dir: &Path, args: &[&str]) {
    let status = Command::new(tool("consul")).args(args).current_dir(dir).stdout(Stdio::null()).status().expect("consul starts");
    assert!(status.success(), "consul {args:?}: {status}");
}
