//! A Redis server of one's own.

use std::process::Command;

use user_info_api::config;

use crate::port::free_port;
use crate::process::Process;
use crate::program::installed;
use crate::wait::eventually;

/// A running server that keeps nothing on disk.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
    password: Option<String>,
}

impl Redis {
    /// Starts an empty server.
    pub async fn start() -> Self {
        Self::start_with_password(None).await
    }

    /// Starts an empty server that wants a password.
    pub async fn start_with_password(password: Option<&str>) -> Self {
        let port = free_port();
        let server = Self { process: spawn(port, password), port, password: password.map(str::to_owned) };
        server.ready().await;
        server
    }

    /// Kills the server.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts the server again, after [`kill`](Self::kill), empty.
    pub async fn restart(&mut self) {
        self.process = spawn(self.port, self.password.as_deref());
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

    /// How `user_info` reaches the server.
    pub fn config(&self) -> config::Redis {
        config::Redis { address: format!("127.0.0.1:{}", self.port), ..config::Redis::default() }
    }

    /// Runs one command.
    pub async fn execute(&self, command: &[&str]) {
        self.query(command).await.expect("the server runs the command");
    }

    async fn query(&self, command: &[&str]) -> redis::RedisResult<redis::Value> {
        let password = self.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default();
        let client = redis::Client::open(format!("redis://{password}127.0.0.1:{}", self.port))?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let (name, arguments) = command.split_first().expect("a command has a name");
        redis::cmd(name).arg(arguments).query_async(&mut connection).await
    }

    async fn ready(&self) {
        eventually("Redis answers", async || self.query(&["PING"]).await.is_ok()).await;
    }
}

fn spawn(port: u16, password: Option<&str>) -> Process {
    let mut command = Command::new(installed("redis-server"));
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]).arg(port.to_string());
    if let Some(password) = password {
        command.args(["--requirepass", password]);
    }
    Process::start(&mut command)
}
