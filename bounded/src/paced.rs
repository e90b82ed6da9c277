//! A stream whose peer has to take what is sent to it at some pace.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep};

/// Bytes a second that a peer has to take. The slowest modem takes more, and who takes a byte now and then less.
const PACE: f64 = 1024.0;

/// A stream that fails once its peer was behind, with less than a kilobyte a second, for as long as it may.
///
/// Time counts only while there is something to send that the system has no room for: neither while an answer is made nor between the
/// events of a stream.
#[derive(Debug)]
pub struct Paced<S> {
    stream: S,
    patience: Duration,
    /// Runs out when the peer has used up the patience; made when it first keeps us waiting.
    late: Option<Pin<Box<Sleep>>>,
}

impl<S> Paced<S> {
    /// Lets the peer of `stream` be behind for as long as `patience`.
    pub const fn new(stream: S, patience: Duration) -> Self {
        Self { stream, patience, late: None }
    }

    /// What came of sending, or the end of patience.
    fn sent(&mut self, cx: &mut Context<'_>, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &result {
            Poll::Ready(Ok(taken)) => {
                if let Some(late) = &mut self.late {
                    let earned = Duration::from_secs_f64(*taken as f64 / PACE);
                    let deadline = (late.deadline() + earned).min(Instant::now() + self.patience);
                    late.as_mut().reset(deadline);
                }
                result
            }
            Poll::Ready(Err(_)) => result,
            Poll::Pending => self.wait(cx).map(Err),
        }
    }

    fn wait(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let late = self.late.get_or_insert_with(|| Box::pin(sleep(self.patience)));
        late.as_mut().poll(cx).map(|()| io::Error::new(io::ErrorKind::TimedOut, "the peer does not take what is sent to it"))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, data);
        self.sent(cx, result)
    }

    fn poll_write_vectored(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, data);
        self.sent(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Called when all is handed over; then the peer owes nothing.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_flush(cx) {
            Poll::Pending => self.wait(cx).map(Err),
            flushed => {
                self.late = None;
                flushed
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.stream).poll_shutdown(cx) {
            Poll::Pending => self.wait(cx).map(Err),
            ended => ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
    use tokio::time::timeout;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);
    const ROOM: usize = 1024;

    /// Sends 64 KiB to a peer that takes `piece` bytes at each interval; says how long that took, and whether it went well.
    async fn sent_to(piece: usize, every: Duration) -> (Duration, io::Result<()>) {
        let (ours, mut peer) = duplex(ROOM);
        let begun = Instant::now();
        let peer = tokio::spawn(async move {
            let mut taken = vec![0; piece];
            loop {
                tokio::time::sleep(every).await;
                if peer.read(&mut taken).await.expect("open") == 0 {
                    return;
                }
            }
        });
        let mut ours = Paced::new(ours, PATIENCE);
        let sent = async {
            ours.write_all(&[0; 64 * 1024]).await?;
            ours.flush().await
        };
        let sent = timeout(Duration::from_secs(3600), sent).await.expect("an end");
        peer.abort();
        (begun.elapsed(), sent)
    }

    #[tokio::test(start_paused = true)]
    async fn p1_who_takes_nothing_or_a_byte_now_and_then_is_cut_off() {
        for (piece, every) in [(1, Duration::from_secs(3600)), (1, Duration::from_secs(1)), (5, Duration::from_secs(15))] {
            let (took, sent) = sent_to(piece, every).await;
            assert_eq!(sent.expect_err("cut off").kind(), io::ErrorKind::TimedOut, "{piece} each {every:?}");
            assert!((PATIENCE..PATIENCE * 2).contains(&took), "{piece} each {every:?}: {took:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn p1_who_is_slow_but_takes_all_is_served() {
        for (piece, every) in [(1024, Duration::from_millis(900)), (16, Duration::from_millis(10)), (1024, Duration::ZERO)] {
            sent_to(piece, every).await.1.expect("served");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn p1_time_between_two_pieces_does_not_count() {
        let (ours, mut peer) = duplex(ROOM);
        let mut ours = Paced::new(ours, PATIENCE);
        for _ in 0..3 {
            let taking = tokio::spawn(async move {
                peer.read_exact(&mut [0; 2 * ROOM]).await.expect("open");
                peer
            });
            ours.write_all(&[0; 2 * ROOM]).await.expect("taken");
            ours.flush().await.expect("taken");
            peer = taking.await.expect("no panic");
            tokio::time::sleep(PATIENCE * 2).await;
        }
    }
}
