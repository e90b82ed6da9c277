//! A connection that is read to its end, also if it breaks while something is sent.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream whose peer may have closed it: what is sent after that is dropped, so that what the peer said before is still read.
///
/// A server that closes a connection while a call arrives has announced it (GOAWAY) and so has not begun the call. HTTP/2 gives up at the
/// first error of either direction, and would not read that.
#[derive(Debug)]
pub(super) struct ReadToEnd<S> {
    stream: S,
    /// Whether nothing is sent any more. The system then wakes the reader, for what has arrived and for the end.
    broken: bool,
}

impl<S> ReadToEnd<S> {
    pub(super) const fn new(stream: S) -> Self {
        Self { stream, broken: false }
    }

    /// What was sent, or `dropped` if the peer no longer takes anything.
    fn sent<T>(&mut self, result: Poll<io::Result<T>>, dropped: T) -> Poll<io::Result<T>> {
        match result {
            Poll::Ready(Err(error)) if matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                self.broken = true;
                Poll::Ready(Ok(dropped))
            }
            result => result,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadToEnd<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadToEnd<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        if self.broken {
            return Poll::Ready(Ok(data.len()));
        }
        let result = Pin::new(&mut self.stream).poll_write(cx, data);
        self.sent(result, data.len())
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let length = || data.iter().map(|part| part.len()).sum::<usize>();
        if self.broken {
            return Poll::Ready(Ok(length()));
        }
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, data);
        if result.is_ready() { self.sent(result, length()) } else { Poll::Pending }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.broken {
            return Poll::Ready(Ok(()));
        }
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.sent(result, ())
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.broken {
            return Poll::Ready(Ok(()));
        }
        let result = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.sent(result, ())
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    #[tokio::test]
    async fn what_the_peer_said_before_it_closed_is_read_after_a_write_has_failed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let ours = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("connects");
        let (mut peer, _) = listener.accept().await.expect("a connection");
        peer.write_all(b"goodbye").await.expect("room");
        drop(peer);
        let mut stream = ReadToEnd::new(ours);
        // The first is answered with a reset, after which writing fails.
        while !stream.broken {
            stream.write_all(b"a call").await.expect("dropped at worst");
            stream.flush().await.expect("dropped at worst");
            tokio::task::yield_now().await;
        }
        stream.write_all(b"another").await.expect("dropped");
        let mut said = Vec::new();
        let end = stream.read_to_end(&mut said).await;
        assert_eq!(said, b"goodbye", "{end:?}");
    }
}
