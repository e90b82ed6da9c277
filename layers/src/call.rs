//! The typed call that every layer sees, whatever transport it came by.

pub mod grpc;

use http::{Extensions, HeaderMap};
use tokio::time::Instant;

/// Transport of a call: the label `kind` of metrics and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// gRPC.
    Grpc,
    /// HTTP with JSON.
    Http,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Grpc, Self::Http];

    /// The label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
        }
    }
}

/// One call: a request message and what its transport knows about it.
///
/// ```
/// use user_info_layers::{Call, Kind};
///
/// let call = Call::new(Kind::Http, "/shop.Orders/Get", 42);
/// assert_eq!((call.kind.as_str(), call.message, call.deadline), ("http", 42, None));
/// ```
#[derive(Debug)]
pub struct Call<M> {
    /// Transport it came by, or goes out by.
    pub kind: Kind,
    /// Full method name, the same for both transports: `/shop.Orders/Get`.
    pub operation: &'static str,
    /// Headers of the request.
    pub metadata: HeaderMap,
    /// When it was received: the one clock read that all layers share.
    pub received: Instant,
    /// When the caller stops waiting, if it said so.
    pub deadline: Option<Instant>,
    /// What an adapter or a layer tells others of this one call; empty unless someone asks for it.
    pub extensions: Extensions,
    /// The request.
    pub message: M,
}

impl<M> Call<M> {
    /// A call received now, without metadata or deadline.
    pub fn new(kind: Kind, operation: &'static str, message: M) -> Self {
        Self {
            kind,
            operation,
            metadata: HeaderMap::new(),
            received: Instant::now(),
            deadline: None,
            extensions: Extensions::new(),
            message,
        }
    }

    /// The call without its message, and the message.
    pub fn take_message(self) -> (Call<()>, M) {
        let Self { kind, operation, metadata, received, deadline, extensions, message } = self;
        (Call { kind, operation, metadata, received, deadline, extensions, message: () }, message)
    }

    /// The same call with another message.
    pub fn with_message<N>(self, message: N) -> Call<N> {
        let Self { kind, operation, metadata, received, deadline, extensions, .. } = self;
        Call { kind, operation, metadata, received, deadline, extensions, message }
    }
}
