//! A TCP proxy that makes the server behind it slow, unreachable or refusing.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream, ToSocketAddrs};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::sleep;

/// What becomes of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// They are carried.
    Carry,
    /// What the server says arrives this much later.
    Slow(Duration),
    /// They are carried, and end this much after they began, or after this was set.
    Rotate(Duration),
    /// Nobody listens, and those that were open are closed.
    Refuse,
}

/// A proxy in front of a server; ends when dropped.
pub(crate) struct Proxy {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    mode: watch::Sender<Mode>,
    task: AbortHandle,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// Listens on a free port of loopback for connections to `server`, `host:port`.
    pub(crate) async fn start(server: &str) -> Self {
        Self::start_at("127.0.0.1:0", server).await
    }

    /// The same at `address`.
    pub(crate) async fn start_at(address: impl ToSocketAddrs, server: &str) -> Self {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (mode, modes) = watch::channel(Mode::Carry);
        let task = tokio::spawn(run(listener, address, server.to_owned(), modes)).abort_handle();
        Self { address, mode, task }
    }

    /// Changes what becomes of connections, of open ones too.
    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }

    /// Changes it for `time`.
    pub(crate) async fn during(&self, mode: Mode, time: Duration) {
        self.set(mode);
        sleep(time).await;
        self.set(Mode::Carry);
    }
}

async fn run(first: TcpListener, address: SocketAddr, server: String, mut modes: watch::Receiver<Mode>) {
    let carried = modes.clone();
    let mut listener = Some(first);
    let mut connections = JoinSet::new();
    loop {
        match &listener {
            None => {
                modes.wait_for(|mode| *mode != Mode::Refuse).await.expect("the proxy ends this task first");
                let socket = TcpSocket::new_v4().expect("a socket");
                socket.set_reuseaddr(true).expect("an option");
                socket.bind(address).expect("still free");
                listener = Some(socket.listen(1024).expect("a listener"));
            }
            Some(open) => tokio::select! {
                refuse = modes.wait_for(|mode| *mode == Mode::Refuse) => {
                    drop(refuse);
                    listener = None;
                    connections = JoinSet::new();
                }
                Ok((caller, _)) = open.accept() => {
                    connections.spawn(carry(caller, server.clone(), carried.clone()));
                }
            },
        }
    }
}

async fn carry(caller: TcpStream, server: String, modes: watch::Receiver<Mode>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (from_caller, to_caller) = caller.into_split();
    let (from_server, to_server) = server.into_split();
    let rotated = async {
        let mut modes = modes.clone();
        let rotate = modes.wait_for(|mode| matches!(mode, Mode::Rotate(_))).await.map(|mode| *mode);
        let Ok(Mode::Rotate(age)) = rotate else { return };
        sleep(age).await;
    };
    // The end of either direction ends the connection.
    tokio::select! {
        () = rotated => {}
        () = copy(from_caller, to_server, || Duration::ZERO) => {}
        () = copy(from_server, to_caller, || if let Mode::Slow(delay) = *modes.borrow() { delay } else { Duration::ZERO }) => {}
    }
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: impl Fn() -> Duration) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        sleep(delay()).await;
        if to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
