//! Callers that never finish.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use user_info_testing::system::Row;

use crate::fuzz::peer::{Begun, Peer};

/// Connections of each kind.
const CONNECTIONS: usize = 5;
/// Calls of each kind on a connection of gRPC.
const CALLS: usize = 20;
/// What a message's frame begins with: eleven bytes are to come, and three are here.
const HALF: &[u8] = &[0, 0, 0, 0, 11, 8, 1, 8];
/// A question about the health of the whole server.
const WHOLE: &[u8] = &[0, 0, 0, 0, 0];

/// Calls and requests that have begun, and their connections; ended when dropped.
pub(super) struct Unfinished {
    _calls: Vec<Begun>,
    _peers: Vec<Peer>,
    _requests: Vec<TcpStream>,
}

impl Unfinished {
    /// Begins to call `instance`: messages that do not come or are half there, streams that are left open, half a body over HTTP.
    pub(super) async fn begin(instance: &Row) -> Self {
        let (mut calls, mut peers, mut requests) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..CONNECTIONS {
            let mut peer = Peer::connect(instance.grpc.expect("an instance"), 1 << 16).await;
            calls.extend(peer.begin_all(CALLS, &[], b"").await);
            calls.extend(peer.begin_all(CALLS, &[], HALF).await);
            calls.push(peer.begin("/grpc.health.v1.Health/Watch", &[], WHOLE).await.expect("the connection stands"));
            peers.push(peer);
            let mut request = TcpStream::connect(instance.http).await.expect("it listens");
            request.write_all(b"POST /user_info/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nhalf").await.expect("room");
            requests.push(request);
        }
        Self { _calls: calls, _peers: peers, _requests: requests }
    }
}
