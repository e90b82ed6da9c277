//! Ports that nobody uses.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use tokio::net::{TcpListener as AsyncListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::wait::eventually;

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    let [port] = free_ports();
    port
}

/// As many different ones.
pub fn free_ports<const N: usize>() -> [u16; N] {
    let listeners = [(); N].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port"));
    listeners.map(|listener| listener.local_addr().expect("bound").port())
}

/// An address of loopback with such a port.
pub fn free_address() -> SocketAddr {
    let [address] = free_addresses();
    address
}

/// As many different ones.
pub fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    free_ports().map(|port| (Ipv4Addr::LOCALHOST, port).into())
}

/// Waits until somebody listens at `address`.
pub async fn until_open(address: SocketAddr) {
    eventually("it listens", async || TcpStream::connect(address).await.map(drop)).await;
}

/// An address that takes no connection and refuses none, as if its host were gone; until dropped.
#[derive(Debug)]
pub struct Unanswering {
    /// The address.
    pub address: SocketAddr,
    _listener: AsyncListener,
    _queue: Vec<TcpStream>,
}

impl Unanswering {
    /// Makes `address`, of IPv4, one: its queue is full and not emptied, so that the kernel drops what knocks.
    pub async fn start(address: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(address).expect("a free port");
        let listener = socket.listen(0).expect("it can listen");
        let mut queue = Vec::new();
        while let Ok(taken) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
            queue.push(taken.expect("it listens"));
        }
        Self { address, _listener: listener, _queue: queue }
    }
}
