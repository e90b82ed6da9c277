//! Ports: the wanted one, or the next that is free.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

/// Most ports tried after the wanted one.
const TRIES: u16 = 1000;

/// The ports that this program has given out.
#[derive(Debug, Default)]
pub struct Ports {
    given: BTreeMap<u16, Given>,
}

/// A port that was given out.
#[derive(Debug)]
struct Given {
    wanted: u16,
    /// Held while the port is given out, also before a process listens on it: another one of this program passes over it then.
    _reserved: UdpSocket,
}

impl Ports {
    /// The first free port from `wanted` on, or none if 1000 in a row are taken.
    pub fn give(&mut self, wanted: u16) -> Option<u16> {
        self.first(wanted).map(|(port, _)| port)
    }

    /// What was wanted when `port` was given.
    pub fn wanted(&self, port: u16) -> Option<u16> {
        self.given.get(&port).map(|given| given.wanted)
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
        let (_, listener) = self.first(wanted).ok_or(std::io::ErrorKind::AddrInUse)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    }

    /// The first port from `wanted` on that nobody has been given and nobody listens on.
    fn first(&mut self, wanted: u16) -> Option<(u16, TcpListener)> {
        let free = |port: u16| Some((port, UdpSocket::bind(loopback(port)).ok()?, TcpListener::bind(loopback(port)).ok()?));
        let (port, reserved, listener) = (wanted..=wanted.saturating_add(TRIES)).find_map(free)?;
        self.given.insert(port, Given { wanted, _reserved: reserved });
        Some((port, listener))
    }
}

/// An address on this machine alone.
pub fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
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
        assert_eq!(ports.wanted(first), Some(wanted));
        ports.take_back(first);
        assert_eq!(ports.give(wanted), Some(first));
    }

    #[test]
    fn two_programs_are_given_different_ports_before_they_listen() {
        let (mut one, mut other) = (Ports::default(), Ports::default());
        let wanted = TcpListener::bind(loopback(0)).and_then(|l| l.local_addr()).expect("a free port").port();
        assert_ne!(one.give(wanted), other.give(wanted));
    }
}
