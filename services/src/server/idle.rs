//! How long a connection of HTTP/1 may be idle, and how long a head may take.
//!
//! hyper has one limit for both: it begins to wait for a head when the answer before has been sent. Its timer is told here what has arrived.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a head ends with.
const END: u32 = u32::from_be_bytes(*b"\r\n\r\n");

/// What has arrived on a connection.
#[derive(Debug, Default)]
struct Arrived {
    bytes: AtomicU64,
    /// The last four of them.
    end: AtomicU32,
}

impl Arrived {
    fn note(&self, bytes: &[u8]) {
        let last = bytes.iter().rev().take(4).rev();
        self.end.store(last.fold(self.end.load(Relaxed), |end, byte| end << 8 | u32::from(*byte)), Relaxed);
        self.bytes.fetch_add(bytes.len() as u64, Relaxed);
    }

    fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }
}

/// A stream that notes what arrives.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    arrived: Arc<Arrived>,
}

impl<S> Watched<S> {
    /// Notes what arrives on `stream` from now on.
    pub(super) fn new(stream: S) -> Self {
        Self { stream, arrived: Arc::default() }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.arrived.note(&buffer.filled()[before..]);
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

/// The timer of one connection, for hyper's `header_read_timeout` alone.
#[derive(Debug)]
pub(super) struct HeadTimer {
    arrived: Arc<Arrived>,
    head: Duration,
    idle: Duration,
}

impl HeadTimer {
    /// A head may take this long from its first byte on, the first of a connection from the beginning. Between two requests nothing need
    /// arrive on `stream` for as long as it may be `idle`.
    pub(super) fn new<S>(stream: &Watched<S>, head: Duration, idle: Duration) -> Self {
        Self { arrived: Arc::clone(&stream.arrived), head, idle }
    }
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    /// hyper asks for it when it begins to wait for a head.
    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        // What came last ends otherwise if a part of the next head came with it.
        let idle = self.arrived.bytes() > 0 && self.arrived.end.load(Relaxed) == END;
        let sleep = if idle { tokio::time::sleep(self.idle) } else { tokio::time::sleep_until(deadline.into()) };
        let idle_at = idle.then(|| self.arrived.bytes());
        Box::pin(HeadSleep { sleep: Box::pin(sleep), arrived: Arc::clone(&self.arrived), head: self.head, idle_at })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into()
    }
}

/// Waits until a head is late, or the connection was idle for too long.
struct HeadSleep {
    sleep: Pin<Box<tokio::time::Sleep>>,
    arrived: Arc<Arrived>,
    head: Duration,
    /// How much had arrived, as long as the connection is idle.
    idle_at: Option<u64>,
}

impl Future for HeadSleep {
    type Output = ();

    /// hyper asks whenever something has come and is not a whole head yet.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.idle_at.is_some_and(|before| self.arrived.bytes() > before) {
            self.idle_at = None;
            let late = tokio::time::Instant::now() + self.head;
            self.sleep.as_mut().reset(late);
        }
        self.sleep.as_mut().poll(cx)
    }
}

impl Sleep for HeadSleep {}
