//! A `user_info` of one's own, beside or without a system.

use std::fmt::Display;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;
use user_info_testing::config;
use user_info_testing::http::Http;
use user_info_testing::port::free_address;
use user_info_testing::process::Process;
use user_info_testing::program::built;
use user_info_testing::wait::eventually;

/// A running `user_info`, killed when dropped.
pub(crate) struct Instance {
    process: Process,
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    dir: TempDir,
}

impl Instance {
    /// Starts the program on free ports of loopback, with `server` among its `server` settings, and `more` settings.
    pub(crate) async fn start(server: &str, more: &str) -> Self {
        Self::start_as(server, more, |program, config| {
            let mut command = Command::new(program);
            command.arg("--config").arg(config).stderr(Stdio::null());
            command
        })
        .await
    }

    /// The same, run by the command that `command` makes of the program and its config file; that has to become the program.
    pub(crate) async fn start_as(server: &str, more: &str, command: impl FnOnce(&Path, &Path) -> Command) -> Self {
        Self::start_on([127, 0, 0, 1], server, more, command).await
    }

    /// The same on free ports of `host`.
    pub(crate) async fn start_on(host: [u8; 4], server: &str, more: &str, command: impl FnOnce(&Path, &Path) -> Command) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let (config, [grpc, http]) = config::user_info(dir.path(), host, server, more);
        let process = Process::spawn(command(&built("user_info"), &config).stdin(Stdio::null()));
        let instance = Self { process, grpc, http, dir };
        instance.serves().await;
        instance
    }

    async fn serves(&self) {
        eventually("user_info serves", async || {
            let answer = Http::default().get(self.http, "/readyz").await;
            answer.filter(|(status, _)| *status == 200).ok_or("not ready")
        })
        .await;
    }

    /// Kills it.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts another one at the same addresses, after [`kill`](Self::kill).
    pub(crate) async fn restart(&mut self, command: impl FnOnce(&Path, &Path) -> Command) {
        let config = self.dir.path().join("user_info.yaml");
        self.process = Process::spawn(command(&built("user_info"), &config).stdin(Stdio::null()));
        self.serves().await;
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}

/// A running `user_client`, killed when dropped.
pub(crate) struct Caller {
    process: Process,
    /// Where it shows its metrics.
    pub(crate) metrics: SocketAddr,
    _dir: TempDir,
}

impl Caller {
    /// Starts the program with these instances and live settings, and waits until it shows its metrics.
    pub(crate) async fn start(instances: &[SocketAddr], live: &str) -> Self {
        Self::start_as(instances, live, |program| program).await
    }

    /// The same, with the command as `amend` leaves it.
    pub(crate) async fn start_as(instances: &[SocketAddr], live: &str, amend: impl FnOnce(&mut Command) -> &mut Command) -> Self {
        Self::start_by(Command::new(built("user_client")), instances, live, amend).await
    }

    /// The same by `program`, a command that becomes `user_client`; its instances may be names.
    pub(crate) async fn start_by(
        mut program: Command,
        instances: &[impl Display],
        live: &str,
        amend: impl FnOnce(&mut Command) -> &mut Command,
    ) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let metrics = free_address();
        let config = dir.path().join("user_client.yaml");
        let addresses: Vec<_> = instances.iter().map(|address| format!("'{address}'")).collect();
        let text = format!("discovery: {{addresses: [{}]}}\nadmin: {{listen: '{metrics}'}}\nlive: {{{live}}}\n", addresses.join(", "));
        std::fs::write(&config, text).expect("written");
        program.arg("--config").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let caller = Self { process: Process::spawn(amend(&mut program)), metrics, _dir: dir };
        eventually("user_client starts", async || Http::default().get(metrics, "/metrics").await).await;
        caller
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }
}
