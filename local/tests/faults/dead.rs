//! Names of which some addresses are dead.

use std::fmt;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use user_info_testing::port::{Unanswering, free_port};

use crate::proxy::Proxy;

/// The name.
const NAME: &str = "several.test";
/// Addresses that answer nobody. The system puts them before the other: they have more bits in common with 127.0.0.1 (RFC 6724, rule 9).
const DEAD: [[u8; 4]; 2] = [[127, 0, 0, 2], [127, 0, 0, 3]];
/// The address that answers.
pub(crate) const ALIVE: [u8; 4] = [127, 0, 0, 4];

/// Whether the test may make mounts and network namespaces; says so if not.
pub(crate) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("not shown: this takes root");
    }
    root
}

/// A file that says which addresses the name has.
pub(crate) struct Hosts(TempDir);

impl Hosts {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let line = |[a, b, c, d]: [u8; 4]| format!("{a}.{b}.{c}.{d} {NAME}\n");
        let lines: String = DEAD.into_iter().chain([ALIVE]).map(line).collect();
        std::fs::write(dir.path().join("hosts"), format!("127.0.0.1 localhost\n{lines}")).expect("written");
        Self(dir)
    }

    /// A command that becomes `program`, for which the name has these addresses. Takes root.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--mount", "sh", "-c", r#"mount --bind "$1" /etc/hosts && shift && exec "$@""#, "sh"]);
        command.arg(self.0.path().join("hosts")).arg(program);
        command
    }
}

/// The name with a port, at which only one of its addresses answers.
pub(crate) struct Several {
    port: u16,
    _dead: Vec<Unanswering>,
}

impl Several {
    /// Makes the others dead at this port.
    pub(crate) async fn at(port: u16) -> Self {
        let mut dead = Vec::new();
        for address in DEAD {
            dead.push(Unanswering::start((address, port).into()).await);
        }
        Self { port, _dead: dead }
    }

    /// At the one that answers there is a proxy to `server`, `host:port`.
    pub(crate) async fn before(server: &str) -> (Self, Proxy) {
        let port = free_port();
        (Self::at(port).await, Proxy::start_at((std::net::IpAddr::from(ALIVE), port), server).await)
    }
}

impl fmt::Display for Several {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAME}:{}", self.port)
    }
}
