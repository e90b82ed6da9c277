//! A MariaDB server of one's own.

use std::path::{Path, PathBuf};
use std::process::Command;

use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use tempfile::TempDir;
use user_info_api::config;

use crate::port::free_port;
use crate::process::Process;
use crate::program::{installed, scratch};
use crate::wait::eventually;

/// Small files, so that a data directory is copied quickly.
const INNODB: [&str; 2] = ["--innodb-log-file-size=4M", "--innodb-data-file-path=ibdata1:8M:autoextend"];

/// A running server, whose `root` has no password.
#[derive(Debug)]
pub struct Mariadb {
    process: Process,
    dir: TempDir,
    port: u16,
    more: Vec<String>,
}

impl Mariadb {
    /// Starts an empty server.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// Starts an empty server with more options.
    pub async fn start_with(more: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let copied = Command::new("cp").arg("-r").arg(template()).arg(dir.path().join("data")).status();
        assert!(copied.is_ok_and(|status| status.success()), "the template is copied");
        let more: Vec<_> = more.iter().map(|&option| option.to_owned()).collect();
        let port = free_port();
        let server = Self { process: spawn(dir.path(), port, &more), dir, port, more };
        server.ready().await;
        server
    }

    /// Kills the server.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts the server again, after [`kill`](Self::kill).
    pub async fn restart(&mut self) {
        self.process = spawn(self.dir.path(), self.port, &self.more);
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
    pub fn config(&self) -> config::MySql {
        config::MySql { address: format!("127.0.0.1:{}", self.port), ..config::MySql::default() }
    }

    /// The server's Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// Runs `sql` as root.
    pub async fn execute(&self, sql: &str) {
        let mut connection = self.connect().await.expect("the server runs");
        connection.execute(AssertSqlSafe(sql.to_owned())).await.expect(sql);
    }

    async fn connect(&self) -> Result<MySqlConnection, sqlx::Error> {
        MySqlConnectOptions::new().socket(self.socket()).username("root").ssl_mode(MySqlSslMode::Disabled).connect().await
    }

    async fn ready(&self) {
        eventually("MariaDB answers", async || self.connect().await.is_ok()).await;
    }
}

fn spawn(dir: &Path, port: u16, more: &[String]) -> Process {
    let mut command = Command::new(installed("mariadbd"));
    command.args(["--no-defaults", "--user=root", "--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin"]);
    command.args(["--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=8M", "--performance-schema=off"]);
    command.args(INNODB).args(more).arg(format!("--port={port}"));
    for (option, file) in [("datadir", "data"), ("socket", "socket"), ("pid-file", "pid"), ("tmpdir", "")] {
        command.arg(format!("--{option}={}", dir.join(file).display()));
    }
    Process::start(&mut command)
}

/// A data directory to copy, made once.
fn template() -> PathBuf {
    let template = scratch().join("mariadb-template");
    if !template.exists() {
        let new = tempfile::tempdir_in(scratch()).expect("a temporary directory");
        let data = new.path().join("data");
        let mut install = Command::new(installed("mariadb-install-db"));
        install.args(["--no-defaults", "--user=root", "--auth-root-authentication-method=normal", "--skip-test-db"]).args(INNODB);
        let output = install.arg(format!("--datadir={}", data.display())).output().expect("the program is there");
        assert!(output.status.success(), "mariadb-install-db: {}", String::from_utf8_lossy(&output.stderr));
        // Another test may have been faster; then its template is as good.
        let _ = std::fs::rename(data, &template);
    }
    template
}
