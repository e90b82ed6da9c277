//! One request with one message, and one reply: by tonic, but the stack sees the call before the message is here.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use hyper::body::Body;
use tokio::time::Instant;
use tonic::codec::{BufferSettings, Codec};
use tonic::server::ClientStreamingService;
use tonic::{Request, Response, Status, Streaming};
use tonic_prost::{ProstDecoder, ProstEncoder};
use tower::Service;
use user_info_layers::middleware::receive::Arriving;
use user_info_layers::shared::SharedService;
use user_info_layers::{Call, Error};
use user_info_proto::{GET_USER_INFO, GetUserInfoReply, GetUserInfoRequest};

use crate::server::capacity::Capacity;

/// What tonic's codec begins with for a request and a reply, in bytes: it would be 8 KiB for each, and they have some 10 and 100.
const BUFFERS: (usize, usize) = (64, 256);
/// From how many bytes on tonic sends what it has encoded; as it is by default.
const YIELD: usize = 32 << 10;
/// What an entry of a [`HeaderMap`] takes beside its name and value, in bytes: the entry, its share of the index, and two allocations.
const ENTRY: usize = 160;
/// Headers up to this size are not counted.
const FREE: usize = 2048;

/// A call that begins.
pub(super) struct Unary<S> {
    stack: SharedService<S>,
    capacity: Capacity,
    received: Instant,
    admitted: bool,
}

impl<S> Unary<S>
where
    S: Service<Call<Arriving<GetUserInfoRequest>>, Response = GetUserInfoReply, Error = Error, Future: Send> + Send + 'static,
{
    /// A call that came at `received`; it is refused unless it is `admitted`.
    pub(super) const fn new(stack: SharedService<S>, capacity: Capacity, received: Instant, admitted: bool) -> Self {
        Self { stack, capacity, received, admitted }
    }

    /// The answer to its request.
    pub(super) async fn answer<B>(self, request: http::Request<B>) -> http::Response<tonic::body::Body>
    where
        B: Body<Data = Bytes, Error = Status> + Send + 'static,
    {
        tonic::server::Grpc::new(SmallMessages).client_streaming(self, request).await
    }

    async fn call(self, request: Request<Streaming<GetUserInfoRequest>>) -> Result<Response<GetUserInfoReply>, Status> {
        let (metadata, _, messages) = request.into_parts();
        let mut metadata = metadata.into_headers();
        let message =
            if self.admitted { begin(messages, &mut metadata, &self.capacity).await } else { Arriving::Here(Err(Error::OVERLOADED)) };
        let call = Call::begun_by_grpc(GET_USER_INFO, metadata, self.received, message);
        Ok(self.stack.call(call).await.map(Response::new)?)
    }
}

impl<S> ClientStreamingService<GetUserInfoRequest> for Unary<S>
where
    S: Service<Call<Arriving<GetUserInfoRequest>>, Response = GetUserInfoReply, Error = Error, Future: Send> + Send + 'static,
{
    type Response = GetUserInfoReply;
    type Future = Pin<Box<dyn Future<Output = Result<Response<GetUserInfoReply>, Status>> + Send>>;

    fn call(&mut self, request: Request<Streaming<GetUserInfoRequest>>) -> Self::Future {
        let Self { stack, capacity, received, admitted } = self;
        Box::pin(Unary::new(stack.clone(), capacity.clone(), *received, *admitted).call(request))
    }
}

/// Looks whether the message is here, as it nearly always is. A call that has to wait for it keeps no more of its head than it has to.
async fn begin(messages: Streaming<GetUserInfoRequest>, metadata: &mut HeaderMap, capacity: &Capacity) -> Arriving<GetUserInfoRequest> {
    let mut reading = Reading { messages, message: None };
    let first = poll_fn(|cx| Poll::Ready(pin!(reading.read()).poll(cx))).await;
    if let Poll::Ready(message) = first {
        return Arriving::Here(message);
    }
    let reserved = capacity.bytes(compact(metadata).saturating_sub(FREE));
    if reserved.is_none() {
        return Arriving::Here(Err(Error::OVERLOADED));
    }
    Arriving::Coming(Box::pin(async move {
        let _reserved = reserved;
        reading.read().await
    }))
}

/// The one message of a call, and where its reading stands.
struct Reading {
    messages: Streaming<GetUserInfoRequest>,
    message: Option<GetUserInfoRequest>,
}

impl Reading {
    /// Reads the message and the end of the stream. May be dropped and begun again.
    async fn read(&mut self) -> Result<GetUserInfoRequest, Error> {
        let reason = |status: Status| if status.details().is_empty() { Error::unreadable(&status) } else { Error::from(&status) };
        if self.message.is_none() {
            self.message = self.messages.message().await.map_err(reason)?;
        }
        self.messages.trailers().await.map_err(reason)?;
        // In tonic's words.
        self.message.take().ok_or_else(|| Error::unreadable(&Status::internal("Missing request message.")))
    }
}

/// Copies the headers out of the connection's buffer, of which a single byte would keep 8 KiB. Returns what they take, in bytes.
fn compact(headers: &mut HeaderMap) -> usize {
    let mut copy = HeaderMap::with_capacity(headers.keys_len());
    for (name, value) in &*headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).unwrap_or_else(|_| name.clone());
        copy.append(name, HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|_| value.clone()));
    }
    *headers = copy;
    headers.iter().map(|(name, value)| ENTRY + name.as_str().len() + value.len()).sum()
}

/// The usual codec, with little room to begin with.
#[derive(Debug, Clone, Copy)]
struct SmallMessages;

impl Codec for SmallMessages {
    type Encode = GetUserInfoReply;
    type Decode = GetUserInfoRequest;
    type Encoder = ProstEncoder<GetUserInfoReply>;
    type Decoder = ProstDecoder<GetUserInfoRequest>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::new(BufferSettings::new(BUFFERS.1, YIELD))
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstDecoder::new(BufferSettings::new(BUFFERS.0, YIELD))
    }
}
