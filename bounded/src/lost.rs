//! Peers that are gone without a word.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

/// A peer that takes nothing of what is sent to it for this long is cut off: it reads nothing, or the network is gone.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(20);
/// A peer that is quiet for this long is asked whether it is still there: by the kernel, as HTTP/2's own pings would read the clock for each
/// frame.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// Lets the kernel end the connection if the peer is gone or takes nothing.
///
/// # Errors
/// If it is no TCP connection.
pub fn cut_off_the_lost(stream: &impl AsFd) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_user_timeout(Some(UNREAD_TIMEOUT))?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(UNREAD_TIMEOUT / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_looks_after_connections() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let stream = std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("it listens");
        cut_off_the_lost(&stream).expect("options of Linux");
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().expect("an option"));
        assert_eq!(socket.tcp_keepalive_time().expect("an option"), KEEP_ALIVE);
        assert_eq!(socket.tcp_user_timeout().expect("an option"), Some(UNREAD_TIMEOUT));
    }
}
