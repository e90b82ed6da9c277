//! A network namespace, linked to the one that the test runs in.

use std::path::Path;
use std::process::Command;

/// A namespace with one link; gone when dropped.
pub(super) struct Namespace {
    name: String,
    /// Address of the link's end in the namespace.
    pub(super) inside: [u8; 4],
    /// The link's end in the namespace.
    peer: String,
    outside: String,
}

impl Namespace {
    /// Makes it. Addresses are of 198.18.0.0/15, which is set aside for tests of networks (RFC 2544).
    pub(super) fn new() -> Self {
        let pid = std::process::id();
        let subnet = [198, 18, u8::try_from(pid / 64 % 256).expect("a byte"), u8::try_from(pid % 64 * 4).expect("a byte")];
        let address = |host: u8| [subnet[0], subnet[1], subnet[2], subnet[3] + host];
        let new = Self {
            name: format!("uif{pid}"),
            inside: address(2),
            peer: format!("uif{pid}p"),
            outside: std::net::Ipv4Addr::from(address(1)).to_string(),
        };
        let (name, peer) = (&new.name, &new.peer);
        ip(&["netns", "add", name]);
        ip(&["link", "add", name, "type", "veth", "peer", "name", peer, "netns", name]);
        ip(&["address", "add", &format!("{}/30", new.outside), "dev", name]);
        ip(&["link", "set", name, "up"]);
        new.bring_up();
        new
    }

    fn bring_up(&self) {
        let (name, inside) = (&self.name, std::net::Ipv4Addr::from(self.inside));
        ip(&["-n", name, "address", "add", &format!("{inside}/30"), "dev", &self.peer]);
        ip(&["-n", name, "link", "set", &self.peer, "up"]);
        ip(&["-n", name, "link", "set", "lo", "up"]);
    }

    /// Puts another namespace in its place, with the same address, which knows of no connection. What has not been sent is lost.
    pub(super) fn renew(&mut self) {
        let next = format!("{}n", self.name);
        let before = std::mem::replace(&mut self.name, next);
        ip(&["netns", "add", &self.name]);
        ip(&["-n", &before, "link", "set", &self.peer, "netns", &self.name]);
        ip(&["netns", "delete", &before]);
        self.bring_up();
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
