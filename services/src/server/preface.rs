//! A connection whose peer has to say something soon.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A stream on which reading fails unless the first bytes come in time. HTTP/2 would otherwise wait for ever for a peer that connects and
/// stays silent.
#[derive(Debug)]
pub(super) struct PrefaceTimeout<S> {
    stream: S,
    missing: usize,
    /// None once enough has come.
    limit: Option<Pin<Box<Sleep>>>,
}

impl<S> PrefaceTimeout<S> {
    /// Fails if less than `bytes` have come within `limit`.
    pub(super) fn new(stream: S, bytes: usize, limit: Duration) -> Self {
        Self { stream, missing: bytes, limit: Some(Box::pin(sleep(limit))) }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PrefaceTimeout<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let Some(limit) = self.limit.as_mut() else { return read };
        if read.is_pending() {
            ready!(limit.as_mut().poll(cx));
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the peer has not begun in time")));
        }
        self.missing = self.missing.saturating_sub(buffer.filled().len() - before);
        if self.missing == 0 {
            self.limit = None;
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PrefaceTimeout<S> {
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(15);

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_says_too_little_is_cut_off() {
        let (mut peer, ours) = duplex(64);
        let mut stream = PrefaceTimeout::new(ours, 4, LIMIT);
        peer.write_all(b"abc").await.expect("room");
        let mut buffer = [0; 4];
        assert_eq!(stream.read(&mut buffer).await.expect("bytes"), 3);
        let error = stream.read(&mut buffer).await.expect_err("silent");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_has_begun_may_take_its_time() {
        let (mut peer, ours) = duplex(64);
        let mut stream = PrefaceTimeout::new(ours, 4, LIMIT);
        peer.write_all(b"abcd").await.expect("room");
        let mut buffer = [0; 8];
        assert_eq!(stream.read(&mut buffer).await.expect("bytes"), 4);
        let later = tokio::spawn(async move {
            sleep(LIMIT * 10).await;
            peer.write_all(b"e").await.expect("room");
            peer
        });
        assert_eq!(stream.read(&mut buffer).await.expect("bytes"), 1);
        let mut peer = later.await.expect("no panic");
        stream.write_all(b"f").await.expect("room");
        assert_eq!(peer.read_u8().await.expect("bytes"), b'f');
    }
}
