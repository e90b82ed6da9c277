//! One worker: a thread with a single-threaded runtime that owns all that its calls touch.

use std::future::Future;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use super::connection::{self, GrpcService};
use super::services::Services;
use crate::tls::{H2, TlsAcceptor};

/// A peer that takes nothing of what is sent to it for this long is cut off: it reads nothing, or the network is gone.
const UNREAD_TIMEOUT: Duration = Duration::from_secs(20);
/// A peer that is quiet for this long is asked whether it is still there: by the kernel, as HTTP/2's own pings would read the clock for each
/// frame.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    /// gRPC calls.
    Grpc,
    /// HTTP calls.
    Http,
    /// Admin endpoints alone.
    Admin,
}

/// A connection on its way to a worker, with its share of the connection limit.
#[derive(Debug)]
pub(super) struct Accepted {
    /// What it is for.
    pub port: Port,
    /// The connection.
    pub stream: std::net::TcpStream,
    /// Given back when it ends.
    pub permit: OwnedSemaphorePermit,
}

/// A running worker.
#[derive(Debug)]
pub(super) struct Worker {
    connections: mpsc::UnboundedSender<(Accepted, Open)>,
    open: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

/// A connection, counted as open until it has ended, however it does.
#[derive(Debug)]
struct Open(Arc<AtomicUsize>);

impl Open {
    fn new(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Worker {
    /// Starts the worker number `index`. `build` makes its services, on its own runtime, and what else the caller
    /// wants of there; the receiver tells how that went.
    ///
    /// # Errors
    /// If no thread can be had.
    pub(super) fn start<B, F, G, T, E>(
        index: usize,
        build: B,
        stopping: watch::Receiver<bool>,
    ) -> std::io::Result<(Self, oneshot::Receiver<Result<T, E>>)>
    where
        B: FnOnce() -> F + Send + 'static,
        F: Future<Output = Result<(Services<G>, T), E>>,
        G: GrpcService,
        T: Send + 'static,
        E: Send + 'static,
    {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (connections, accepted) = mpsc::unbounded_channel();
        let (built, when_built) = oneshot::channel();
        let open = Arc::new(AtomicUsize::new(0));
        let thread = std::thread::Builder::new().name(format!("worker-{index}")).spawn(move || {
            runtime.block_on(async {
                match build().await {
                    Ok((services, beside)) => {
                        let _ = built.send(Ok(beside));
                        serve(&services, accepted, &stopping).await;
                    }
                    Err(error) => {
                        let _ = built.send(Err(error));
                    }
                }
            });
        })?;
        Ok((Self { connections, open, thread }, when_built))
    }

    /// Connections it serves now.
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Hands it a connection.
    pub(super) fn take(&self, accepted: Accepted) {
        // What a worker that has ended does not take is dropped, and no longer counted.
        let _ = self.connections.send((accepted, Open::new(&self.open)));
    }

    /// Hands it no more connections, and waits until those it has have ended.
    pub(super) fn join(self) {
        drop(self.connections);
        let _ = self.thread.join(); // a panic is in the log already
    }
}

/// Serves connections until no more can come and all have ended.
async fn serve<G: GrpcService>(
    services: &Services<G>,
    mut accepted: mpsc::UnboundedReceiver<(Accepted, Open)>,
    stopping: &watch::Receiver<bool>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            next = accepted.recv() => {
                let Some((Accepted { port, stream, permit }, open)) = next else { break };
                let (services, stopping) = (services.clone(), stopping.clone());
                connections.spawn(async move {
                    // Given back also if it panics.
                    let _held = (open, permit);
                    if let Err(error) = one(port, stream, services, stopping).await {
                        tracing::debug!(%error, "connection not served");
                    }
                });
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
    while connections.join_next().await.is_some() {}
}

/// Lets the kernel end the connection if the peer is gone or takes nothing.
pub(crate) fn cut_off_the_lost(stream: &impl AsFd) -> std::io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_user_timeout(Some(UNREAD_TIMEOUT))?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(UNREAD_TIMEOUT / 2))
}

async fn one<G: GrpcService>(
    port: Port,
    stream: std::net::TcpStream,
    services: Services<G>,
    stopping: watch::Receiver<bool>,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    cut_off_the_lost(&stream)?;
    let stream = TcpStream::from_std(stream)?;
    match (port, services.tls.clone()) {
        (Port::Grpc, None) => services.http2.serve(stream, services.grpc, stopping).await,
        (Port::Http, None) => connection::http1(stream, services.http, stopping).await,
        (Port::Admin, _) => connection::http1(stream, services.admin, stopping).await,
        (Port::Grpc | Port::Http, Some(tls)) => return secure(port, stream, services, &tls, stopping).await,
    }
    Ok(())
}

/// Serves a connection over TLS. One that is still shaking hands when the service stops is let go.
async fn secure<G: GrpcService>(
    port: Port,
    stream: TcpStream,
    services: Services<G>,
    tls: &TlsAcceptor,
    mut stopping: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let shake_hands = async { if port == Port::Grpc { tls.grpc(stream).await } else { tls.http(stream).await } };
    let stream = tokio::select! {
        stream = shake_hands => stream?,
        () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => return Ok(()),
    };
    let http2 = stream.get_ref().1.alpn_protocol() == Some(H2);
    match port {
        Port::Grpc => services.http2.serve(stream, services.grpc, stopping).await,
        _ if http2 => services.http2.serve(stream, services.http_by_http2, stopping).await,
        _ => connection::http1(stream, services.http, stopping).await,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_looks_after_connections() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        cut_off_the_lost(&stream).unwrap();
        let socket = SockRef::from(&stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), KEEP_ALIVE);
        assert_eq!(socket.tcp_user_timeout().unwrap(), Some(UNREAD_TIMEOUT));
    }
}
