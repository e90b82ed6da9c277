//! A Prometheus of one's own.

use std::net::SocketAddr;
use std::process::Command;

use tempfile::TempDir;

use crate::http::get;
use crate::port::free_address;
use crate::process::Process;
use crate::program::tool;
use crate::wait::{check, eventually};

/// A running server.
#[derive(Debug)]
pub struct Prometheus {
    /// Where it listens.
    pub address: SocketAddr,
    _process: Process,
    _dir: TempDir,
}

impl Prometheus {
    /// Starts it with this configuration, in YAML.
    pub async fn start(config: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        std::fs::write(dir.path().join("prometheus.yml"), config).expect("written");
        let address = free_address();
        let mut command = Command::new(tool("prometheus"));
        command.current_dir(dir.path()).arg("--config.file=prometheus.yml").arg(format!("--web.listen-address={address}"));
        let server = Self { address, _process: Process::start(&mut command), _dir: dir };
        eventually("Prometheus starts", async || {
            let (status, text) = get(address, "/-/ready").await;
            check(status == 200, text)
        })
        .await;
        server
    }
}
