//! How often a connection pings its server.

use std::io;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::*;

/// Keeps what is read.
struct Recorded {
    stream: TcpStream,
    read: Arc<Mutex<Vec<u8>>>,
}

impl AsyncRead for Recorded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.read.lock().unwrap().extend_from_slice(&buffer.filled()[before..]);
        result
    }
}

impl AsyncWrite for Recorded {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Pings, not their acknowledgements, in what a client sent (RFC 9113, sections 4.1 and 6.7).
fn pings(sent: &[u8]) -> usize {
    let (mut rest, mut pings) = (sent.get(24..).unwrap_or_default(), 0);
    while let [a, b, c, kind, flags, _, _, _, _, after @ ..] = rest {
        pings += usize::from(*kind == 6 && flags & 1 == 0);
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        rest = after.get(length..).unwrap_or_default();
    }
    pings
}

/// A server whose answers to calls take `time`; what its clients send on each connection is kept.
async fn slow(time: Duration) -> (String, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let last = Arc::<Mutex<Vec<u8>>>::default();
    let read = Arc::clone(&last);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            read.lock().unwrap().clear();
            let stream = Recorded { stream, read: Arc::clone(&read) };
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(stream).await.expect("HTTP/2");
                while let Some(Ok((request, reply))) = connection.accept().await {
                    tokio::spawn(async move {
                        if !request.uri().path().starts_with("/grpc.health") {
                            sleep(time).await;
                        }
                        answer(request, reply).await;
                    });
                }
            });
        }
    });
    (address, last)
}

/// Whether a call that takes so long is answered, and how often the server is pinged for it.
async fn call_of(time: Duration) -> (bool, usize) {
    let (address, sent) = slow(time).await;
    let connection = InstanceConnection::open(&address, None, Default::default());
    let channel = loop {
        // The clock does not run but jumps, so that a check may seem to take too long.
        if let Ok(channel) = connection.channel().await {
            break channel;
        }
        sleep(Duration::from_millis(100)).await;
    };
    let mut client = UserInfoClient::with_origin(channel, connection.origin().clone());
    let answered = client.get_user_info(GetUserInfoRequest { user_id: 1 }).await.is_ok();
    let sent = sent.lock().unwrap();
    (answered, pings(&sent))
}

/// Go servers allow a ping each 5 minutes.
#[tokio::test(start_paused = true)]
async fn c2_a_call_that_takes_minutes_is_not_pinged_for() {
    assert_eq!(call_of(Duration::from_secs(60)).await, (true, 0));
    assert_eq!(call_of(Duration::from_secs(300)).await, (true, 0));
}

#[tokio::test(start_paused = true)]
async fn c2_a_call_that_takes_longer_is_pinged_for_as_often_as_go_servers_allow() {
    let (_, pings) = call_of(Duration::from_secs(900)).await;
    // Whether a third one falls into the call depends on when the connection was made.
    assert!((1..=3).contains(&pings), "{pings} in 15 minutes");
}
