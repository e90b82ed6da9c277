//! A socket to the server.

use std::io;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

/// How long an address is waited for before the next is tried beside it.
const PATIENCE: Duration = Duration::from_millis(200);

/// A connection to the first address of `host` that answers.
///
/// An address that swallows packets costs [`PATIENCE`], one that refuses costs nothing.
pub(super) async fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut addresses = lookup_host((host, port)).await?;
    let mut attempts = FuturesUnordered::new();
    let mut refused = io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"));
    loop {
        match addresses.next() {
            Some(address) => attempts.push(TcpStream::connect(address)),
            None if attempts.is_empty() => return Err(refused),
            None => {}
        }
        match timeout(PATIENCE, attempts.next()).await {
            Ok(Some(Ok(stream))) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Some(Err(error))) => refused = error,
            Ok(None) | Err(_) => {}
        }
    }
}
