//! Config files of a `user_info` that a test starts by itself.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::port::free_ports;

/// Stores that need no server.
pub const IN_MEMORY: &str = "users: {memory: true}\nviews: {memory: true}\n";

/// Writes `user_info.yaml` into `dir`. Returns the file, and where gRPC and HTTP will be served.
///
/// It has listeners on free ports of `host`, `server` among the `server` settings, one worker unless `server` says how many, and `more` settings.
pub fn user_info(dir: &Path, host: [u8; 4], server: &str, more: &str) -> (PathBuf, [SocketAddr; 2]) {
    let [grpc, http] = free_ports().map(|port| SocketAddr::from((host, port)));
    let file = dir.join("user_info.yaml");
    let listeners = format!("grpc: {{listen: '{grpc}'}}, http: {{listen: '{http}'}}");
    let workers = if server.contains("workers:") { "" } else { "workers: 1, " };
    std::fs::write(&file, format!("server: {{{listeners}, {workers}{server}}}\n{more}\n")).expect("written");
    (file, [grpc, http])
}
