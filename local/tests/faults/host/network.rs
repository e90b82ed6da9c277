//! A network namespace, linked to the one that the test runs in.

use std::path::Path;
use std::process::Command;

/// A namespace with one link; gone when dropped.
pub(super) struct Namespace {
    name: String,
    /// Address of the link's end in the namespace.
    pub(super) inside: [u8; 4],
    outside: String,
}

impl Namespace {
    /// Makes it. Addresses are of 198.18.0.0/15, which is set aside for tests of networks (RFC 2544).
    pub(super) fn new() -> Self {
        let pid = std::process::id();
        let subnet = [198, 18, u8::try_from(pid / 64 % 256).expect("a byte"), u8::try_from(pid % 64 * 4).expect("a byte")];
        let address = |host: u8| [subnet[0], subnet[1], subnet[2], subnet[3] + host];
        let text = |[a, b, c, d]: [u8; 4]| format!("{a}.{b}.{c}.{d}");
        let new = Self { name: format!("uif{pid}"), inside: address(2), outside: text(address(1)) };
        let (name, peer) = (&new.name, format!("{}p", new.name));
        ip(&["netns", "add", name]);
        ip(&["link", "add", name, "type", "veth", "peer", "name", &peer, "netns", name]);
        ip(&["address", "add", &format!("{}/30", new.outside), "dev", name]);
        ip(&["link", "set", name, "up"]);
        ip(&["-n", name, "address", "add", &format!("{}/30", text(new.inside)), "dev", &peer]);
        ip(&["-n", name, "link", "set", &peer, "up"]);
        ip(&["-n", name, "link", "set", "lo", "up"]);
        new
    }

    /// A command that becomes `program` in the namespace.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }

    /// Loses, without a word to anybody, what the namespace sends.
    pub(super) fn cut(&self) {
        ip(&["-n", &self.name, "route", "add", "blackhole", &self.outside]);
    }

    /// Ends [`cut`](Self::cut).
    pub(super) fn heal(&self) {
        ip(&["-n", &self.name, "route", "del", "blackhole", &self.outside]);
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&["netns", "delete", &self.name]);
    }
}

fn ip(arguments: &[&str]) {
    let done = Command::new("ip").args(arguments).status().expect("ip is installed");
    assert!(done.success(), "ip {arguments:?}: {done}");
}
