//! A `HAProxy` of one's own.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::port::{free_address, until_open};
use crate::process::{Process, runs};
use crate::program::installed;

/// A `HAProxy` before a gRPC server, HTTP/2 on both sides.
#[derive(Debug)]
pub struct Haproxy {
    /// Where it listens.
    pub address: SocketAddr,
    process: Process,
    /// Those that have made way for others.
    before: Vec<Process>,
    dir: TempDir,
}

impl Haproxy {
    /// Starts it before `server`, with `settings` in its `defaults`, one a line; a process that makes way for another ends after `hard_stop`.
    pub async fn start(server: SocketAddr, settings: &str, hard_stop: &str) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let address = free_address();
        let socket = dir.path().join("admin");
        let config = format!(
            "global\n  hard-stop-after {hard_stop}\n  stats socket {} level admin expose-fd listeners\n\
             defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n{settings}\n\
             frontend calls\n  bind {address} proto h2\n  default_backend instance\n\
             backend instance\n  server one {server} proto h2\n",
            socket.display()
        );
        std::fs::write(dir.path().join("haproxy.cfg"), config).expect("written");
        let haproxy = Self { address, process: spawn(dir.path(), &[]), before: Vec::new(), dir };
        until_open(address).await;
        haproxy
    }

    /// Lets a new process take over the listener, as a reload does; returns when the one before has ended.
    pub async fn reload(&mut self) {
        let before = self.process.id();
        let socket = self.dir.path().join("admin");
        let next = spawn(self.dir.path(), &["-x", socket.to_str().expect("text"), "-sf", &before.to_string()]);
        self.before.push(std::mem::replace(&mut self.process, next));
        crate::wait::eventually("the process before ends", async || !runs(before)).await;
    }
}

fn spawn(dir: &Path, more: &[&str]) -> Process {
    let mut command = Command::new(installed("haproxy"));
    Process::start(command.arg("-db").arg("-f").arg(dir.join("haproxy.cfg")).args(more))
}
