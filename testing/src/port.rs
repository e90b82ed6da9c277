//! Ports that nobody uses.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use tokio::net::TcpStream;

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
