//! An nginx of one's own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::port::{free_address, until_open};
use crate::process::Process;
use crate::program::installed;

/// An nginx before a gRPC server, with Debian's defaults where nothing else is said.
#[derive(Debug)]
pub struct Nginx {
    /// Where it listens.
    pub address: SocketAddr,
    process: Process,
    dir: TempDir,
}

impl Nginx {
    /// Starts it before `server`, with `settings` in its `server` block.
    pub async fn start(server: SocketAddr, settings: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let address = free_address();
        let path = dir.path().display();
        let temporary: String =
            ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].iter().map(|kind| format!("{kind}_temp_path {path}/{kind};\n")).collect();
        let server = format!("listen {address} http2;\n{settings}\nlocation / {{ grpc_pass grpc://{server}; }}");
        let config = format!(
            "daemon off;\nmaster_process off;\npid {path}/pid;\nerror_log {path}/error.log;\nevents {{ worker_connections 768; }}\n\
             http {{\naccess_log off;\n{temporary}server {{\n{server}\n}}\n}}\n"
        );
        std::fs::write(dir.path().join("nginx.conf"), config).expect("written");
        let nginx = Self { address, process: spawn(dir.path()), dir };
        until_open(address).await;
        nginx
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts it again, after [`kill`](Self::kill).
    pub async fn restart(&mut self) {
        self.process = spawn(self.dir.path());
        until_open(self.address).await;
    }
}

fn spawn(dir: &Path) -> Process {
    let mut command = Command::new(installed("nginx"));
    Process::start(command.arg("-p").arg(dir).arg("-e").arg(dir.join("error.log")).arg("-c").arg(dir.join("nginx.conf")))
}
