//! A Redis server of one's own.

use std::path::Path;
use std::process::Command;

use redis::Value;
use tempfile::TempDir;
use user_info_api::config;

use crate::port::{free_port, free_ports};
use crate::process::Process;
use crate::program::installed;
use crate::wait::eventually;

/// A running server that keeps nothing on disk.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
    /// The port for TLS, if there is one.
    tls_port: Option<u16>,
    password: Option<String>,
    arguments: Vec<String>,
    /// Where a server in cluster mode, or a Sentinel, notes what it knows.
    _dir: Option<TempDir>,
}

impl Redis {
    /// Starts an empty server.
    pub async fn start() -> Self {
        Self::start_with_password(None).await
    }

    /// Starts an empty server that wants a password.
    pub async fn start_with_password(password: Option<&str>) -> Self {
        let arguments = password.map(|password| vec!["--requirepass".to_owned(), password.to_owned()]).unwrap_or_default();
        let server = Self { password: password.map(str::to_owned), ..Self::spawn(free_port(), arguments, None) };
        server.ready().await;
        server
    }

    /// Starts an empty server with more arguments.
    pub async fn start_with(arguments: &[&str]) -> Self {
        let server = Self::spawn(free_port(), arguments.iter().map(|&argument| argument.to_owned()).collect(), None);
        server.ready().await;
        server
    }

    /// Starts an empty server that speaks TLS, with the certificate `server` below the folder of an [`Authority`](crate::authority::Authority);
    /// whoever connects must show one of the authority's if `mutual`. Its other port is for [`execute`](Self::execute).
    pub async fn start_tls(dir: &Path, mutual: bool, arguments: &[&str]) -> Self {
        let tls_port = free_port();
        let path = |name: &str| dir.join(name).display().to_string();
        let own =
            ["--tls-port", &tls_port.to_string(), "--tls-cert-file", &path("server/tls.crt"), "--tls-key-file", &path("server/tls.key")]
                .into_iter()
                .chain(["--tls-ca-cert-file", &path("ca.crt"), "--tls-auth-clients", if mutual { "yes" } else { "no" }])
                .map(str::to_owned)
                .collect::<Vec<_>>();
        let arguments: Vec<_> = own.iter().map(String::as_str).chain(arguments.iter().copied()).collect();
        Self { tls_port: Some(tls_port), ..Self::start_with(&arguments).await }
    }

    /// Starts an empty server in cluster mode, which is alone and has no slots.
    pub async fn start_node(arguments: &[&str]) -> Self {
        let [port, bus] = free_ports();
        let dir = tempfile::tempdir().expect("a folder");
        let nodes = dir.path().join("nodes.conf").display().to_string();
        let own = ["--cluster-enabled", "yes", "--cluster-port", &bus.to_string(), "--cluster-config-file", &nodes];
        let arguments = own.iter().chain(arguments).map(|&argument| argument.to_owned()).collect();
        let server = Self::spawn(port, arguments, Some(dir));
        server.ready().await;
        server
    }

    /// Starts a Sentinel that watches `master` by this name, and wants this password.
    pub async fn start_sentinel(name: &str, master: &Self, password: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("sentinel.conf");
        let settings = format!(
            "sentinel monitor {name} 127.0.0.1 {} 1\nsentinel down-after-milliseconds {name} 300\nsentinel failover-timeout {name} 2000\n",
            master.port
        );
        let (port, path) = (free_port(), dir.path().display());
        let own = format!("bind 127.0.0.1\nport {port}\ndir {path}\nrequirepass {password}\nsentinel sentinel-pass {password}\n");
        std::fs::write(&file, own + &settings).expect("written");
        let process = Process::start(Command::new(installed("redis-server")).arg(&file).arg("--sentinel"));
        let (password, dir) = (Some(password.to_owned()), Some(dir));
        let sentinel = Self { process, port, tls_port: None, password, arguments: Vec::new(), _dir: dir };
        sentinel.ready().await;
        sentinel
    }

    /// Kills the server.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts the server again, after [`kill`](Self::kill), empty.
    pub async fn restart(&mut self) {
        self.process = spawn(self.port, &self.arguments);
        self.ready().await;
    }

    /// Makes the server hang: it accepts connections, but does not answer.
    pub fn pause(&self) {
        self.process.stop();
    }

    /// Ends [`pause`](Self::pause).
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Where it listens, `host:port`; for TLS if it speaks that.
    pub fn address(&self) -> String {
        match self.tls_port {
            Some(port) => format!("localhost:{port}"),
            None => format!("127.0.0.1:{}", self.port),
        }
    }

    /// Its port without TLS.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of the cluster's bus.
    pub fn bus_port(&self) -> &str {
        let at = self.arguments.iter().position(|argument| argument == "--cluster-port");
        at.and_then(|at| self.arguments.get(at + 1)).expect("a node of a cluster")
    }

    /// How `user_info` reaches the server.
    pub fn config(&self) -> config::Redis {
        config::Redis { address: self.address(), ..config::Redis::default() }
    }

    /// Runs one command.
    pub async fn execute(&self, command: &[&str]) -> Value {
        self.query(command).await.expect("the server runs the command")
    }

    /// Runs one command that replies with a text.
    pub async fn text(&self, command: &[&str]) -> String {
        redis::from_redis_value(self.execute(command).await).expect("a text")
    }

    async fn query(&self, command: &[&str]) -> redis::RedisResult<Value> {
        let password = self.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        let client = redis::Client::open(format!("redis://{password}127.0.0.1:{}", self.port))?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let (name, arguments) = command.split_first().expect("a command has a name");
        redis::cmd(name).arg(arguments).query_async(&mut connection).await
    }

    fn spawn(port: u16, arguments: Vec<String>, dir: Option<TempDir>) -> Self {
        Self { process: spawn(port, &arguments), port, tls_port: None, password: None, arguments, _dir: dir }
    }

    async fn ready(&self) {
        eventually("Redis answers", async || self.query(&["PING"]).await.is_ok()).await;
    }
}

fn spawn(port: u16, arguments: &[String]) -> Process {
    let mut command = Command::new(installed("redis-server"));
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0", "--port"]);
    Process::start(command.arg(port.to_string()).args(arguments))
}
