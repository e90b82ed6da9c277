//! Ports: the wanted one, or the next that is free.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

/// Most ports tried after the wanted one.
const TRIES: u16 = 1000;

/// The ports that this program has given out.
#[derive(Debug, Default)]
pub struct Ports {
    given: BTreeSet<u16>,
}

impl Ports {
    /// The first free port from `wanted` on, or none if 1000 in a row are taken.
    pub fn give(&mut self, wanted: u16) -> Option<u16> {
        let free = |port: &u16| !self.given.contains(port) && is_free(*port);
        let port = (wanted..=wanted.saturating_add(TRIES)).find(free)?;
        self.given.insert(port);
        Some(port)
    }

    /// Takes back what was given.
    pub fn take_back(&mut self, port: u16) {
        self.given.remove(&port);
    }

    /// A listener on the first free port from `wanted` on.
    ///
    /// # Errors
    /// If none can be had.
    pub fn listen(&mut self, wanted: u16) -> std::io::Result<TcpListener> {
        let port = self.give(wanted).ok_or(std::io::ErrorKind::AddrInUse)?;
        let listener = TcpListener::bind(loopback(port))?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }
}

/// An address on this machine alone.
pub fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

fn is_free(port: u16) -> bool {
    TcpListener::bind(loopback(port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_moves_on_to_the_next_free_one() {
        let mut ports = Ports::default();
        let taken = TcpListener::bind(loopback(0)).expect("a free port");
        let wanted = taken.local_addr().expect("bound").port();
        let (first, second) = (ports.give(wanted).expect("one"), ports.give(wanted).expect("another"));
        assert!(first > wanted && second > first);
        ports.take_back(first);
        assert_eq!(ports.give(wanted), Some(first));
    }
}
