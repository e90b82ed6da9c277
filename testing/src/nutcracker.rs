//! A twemproxy (Debian's `nutcracker`) of one's own.

use std::fmt::Write;
use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;

use crate::port::{free_address, free_port, until_open};
use crate::process::Process;
use crate::program::installed;
use crate::redis::Redis;

/// A twemproxy before Redis servers, among which it divides the keys.
#[derive(Debug)]
pub struct Nutcracker {
    /// Where it listens.
    pub address: SocketAddr,
    _process: Process,
    _dir: TempDir,
}

impl Nutcracker {
    /// Starts it before `servers`; `settings` are further lines of its pool, such as `redis_auth: secret`.
    pub async fn start(servers: &[&Redis], settings: &[&str]) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let address = free_address();
        let mut config = format!("pool:\n  listen: {address}\n  redis: true\n  hash: fnv1a_64\n  distribution: modula\n");
        for setting in settings {
            writeln!(config, "  {setting}").expect("a text");
        }
        config.push_str("  servers:\n");
        for server in servers {
            writeln!(config, "   - {}:1", server.address()).expect("a text");
        }
        let file = dir.path().join("nutcracker.yml");
        std::fs::write(&file, config).expect("written");
        let mut command = Command::new(installed("nutcracker"));
        command.arg("-c").arg(&file).arg("-o").arg(dir.path().join("log"));
        command.args(["--stats-addr", "127.0.0.1", "--stats-port", &free_port().to_string()]);
        let nutcracker = Self { address, _process: Process::start(&mut command), _dir: dir };
        until_open(address).await;
        nutcracker
    }
}
