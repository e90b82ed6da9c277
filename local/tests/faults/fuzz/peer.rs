//! A caller of gRPC that does with its streams what it likes.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt};
use h2::client::{Builder, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use user_info_testing::wait::PATIENCE;

use super::GET_USER_INFO;

/// A call that has begun: its answer, and where its message would go.
pub(crate) struct Begun {
    pub(crate) answer: ResponseFuture,
    pub(crate) message: SendStream<Bytes>,
}

/// One connection.
pub(crate) struct Peer {
    requests: SendRequest<Bytes>,
    pub(crate) connection: JoinHandle<Result<(), h2::Error>>,
}

impl Peer {
    /// Connects to `address`; it takes `window` bytes of an answer.
    pub(crate) async fn connect(address: SocketAddr, window: u32) -> Self {
        let stream = TcpStream::connect(address).await.expect("it listens");
        let (requests, connection) =
            Builder::new().initial_max_send_streams(1).initial_window_size(window).handshake(stream).await.expect("HTTP/2");
        Self { requests, connection: tokio::spawn(connection) }
    }

    /// Begins a call of `path` with these headers, and sends `said` of its message.
    pub(crate) async fn begin(&mut self, path: &str, headers: &[(&str, &str)], said: &[u8]) -> Result<Begun, h2::Error> {
        let request = Request::post(format!("http://a{path}")).header("content-type", "application/grpc").header("te", "trailers");
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        self.requests = self.requests.clone().ready().await?;
        let (answer, mut message) = self.requests.send_request(request.body(()).expect("a request"), false)?;
        if !said.is_empty() {
            message.send_data(Bytes::copy_from_slice(said), false)?;
        }
        Ok(Begun { answer, message })
    }

    /// Begins so many calls of `GetUserInfo`.
    pub(crate) async fn begin_all(&mut self, calls: usize, headers: &[(&str, &str)], said: &[u8]) -> Vec<Begun> {
        let mut begun = Vec::new();
        for _ in 0..calls {
            begun.push(self.begin(GET_USER_INFO, headers, said).await.expect("the connection stands"));
        }
        begun
    }
}

/// The gRPC status of an answer, and its reason if it has one, once it is whole.
pub(super) async fn status(answer: Result<Response<RecvStream>, h2::Error>) -> String {
    let (head, mut body) = match answer {
        Ok(answer) => answer.into_parts(),
        Err(error) => return format!("{:?}", error.reason()),
    };
    let read = |headers: &HeaderMap| {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        // "OVERLOADED" in base64, wherever it stands: the details are the status once more and ErrorInfo.
        let details = text("grpc-status-details-bin").map(|details| base64_has(&details, "OVERLOADED")).unwrap_or_default();
        text("grpc-status").map(|code| if details { format!("{code} OVERLOADED") } else { code })
    };
    if let Some(status) = read(&head.headers) {
        return status;
    }
    while let Some(data) = body.data().await {
        let Ok(data) = data else { return "reset".to_owned() };
        let _ = body.flow_control().release_capacity(data.len());
    }
    body.trailers().await.ok().flatten().and_then(|trailers| read(&trailers)).unwrap_or_else(|| "none".to_owned())
}

/// Whether `encoded`, decoded, holds `text`.
fn base64_has(encoded: &str, text: &str) -> bool {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let sextets = encoded.bytes().filter_map(|byte| ALPHABET.iter().position(|letter| *letter == byte));
    let bits: String = sextets.map(|sextet| format!("{sextet:06b}")).collect();
    let bytes: Vec<u8> =
        bits.as_bytes().chunks_exact(8).filter_map(|byte| u8::from_str_radix(str::from_utf8(byte).ok()?, 2).ok()).collect();
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// How all of the calls ended, sorted; their streams stay open until then.
///
/// # Panics
/// If one has not ended in time.
pub(super) async fn ends(begun: Vec<Begun>) -> Vec<(String, usize)> {
    let all: FuturesUnordered<_> = begun
        .into_iter()
        .map(|call| async move {
            let _open = call.message;
            status(call.answer.await).await
        })
        .collect();
    let ends: Vec<String> = timeout(PATIENCE, all.collect()).await.expect("all calls end");
    let mut counted = std::collections::BTreeMap::new();
    ends.into_iter().for_each(|end| *counted.entry(end).or_default() += 1);
    counted.into_iter().collect()
}

/// The head of an answer; whoever drops it gives the answer up.
///
/// # Panics
/// If there is none within 5 s.
pub(super) async fn head(call: &mut Begun) -> Response<RecvStream> {
    timeout(Duration::from_secs(5), &mut call.answer).await.expect("an answer in time").expect("an answer")
}
