//! Connects to hosts whose names have several addresses, of which some may be dead (RFC 8305, "Happy Eyeballs").
//!
//! A dead address takes no connection and refuses none: whoever tries the addresses one after the other waits for the first one until there
//! is no time left for the second. So the next one is tried beside it soon, and the first to connect is used.

mod http;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::sleep;

pub(crate) use self::http::HttpDialer;

/// What an attempt has for itself before the next address is tried beside it: RFC 8305 recommends it in section 8.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);
/// All addresses have their turn within this time, as those who connect here wait for a second.
const LAST_ATTEMPT: Duration = Duration::from_millis(750);
/// No pause between two attempts may be shorter, says section 8.
const SHORTEST_DELAY: Duration = Duration::from_millis(10);
/// Addresses that an error names.
const NAMED: usize = 3;

/// Opens a connection to `host`, a name or an address: to whichever address takes it first. The caller bounds the time.
///
/// # Errors
/// If the name has no address, or none of them takes the connection.
pub(crate) async fn dial(host: &str, port: u16) -> io::Result<TcpStream> {
    connect(addresses(host, port).await?).await
}

/// The same by whatever `attempt` does to connect to an address, so that one that takes connections and then says nothing is dead, too.
/// What another attempt has begun is dropped.
///
/// # Errors
/// Those of all attempts, in the order in which they failed.
pub(crate) async fn first<T, E, F>(host: &str, port: u16, attempt: impl Fn(SocketAddr) -> F) -> Result<T, Vec<E>>
where
    E: From<io::Error>,
    F: Future<Output = Result<T, E>>,
{
    match addresses(host, port).await {
        Ok(addresses) => race(addresses, attempt).await,
        Err(error) => Err(vec![error.into()]),
    }
}

/// The addresses of `host` in the order in which they are tried; one at least.
async fn addresses(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    let found = interleaved(lookup_host((host, port)).await?);
    if found.is_empty() { Err(io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address"))) } else { Ok(found) }
}

async fn connect(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let attempt = |address| async move { TcpStream::connect(address).await.map_err(|error| (address, error)) };
    race(addresses, attempt).await.map_err(all_failed)
}

/// IPv6 and IPv4 in turn, beginning with the family that the system prefers: if a whole family is dead, the second attempt succeeds (section
/// 4 of the RFC).
fn interleaved(found: impl Iterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let mut all = Vec::new();
    for address in found {
        if !all.contains(&address) {
            all.push(address);
        }
    }
    let preferred = all.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|address| address.is_ipv6() == preferred);
    let mut order = Vec::new();
    let (mut preferred, mut others) = (preferred.into_iter(), others.into_iter());
    loop {
        match (preferred.next(), others.next()) {
            (None, None) => return order,
            turn => order.extend([turn.0, turn.1].into_iter().flatten()),
        }
    }
}

/// Time from one attempt to the next.
fn delay(addresses: usize) -> Duration {
    let delays = u32::try_from(addresses.saturating_sub(1)).unwrap_or(u32::MAX).max(1);
    (LAST_ATTEMPT / delays).clamp(SHORTEST_DELAY, ATTEMPT_DELAY)
}

/// What the first attempt that succeeds gives. The next one begins after the delay, or at once when one has failed.
async fn race<T, E, F>(addresses: Vec<SocketAddr>, attempt: impl Fn(SocketAddr) -> F) -> Result<T, Vec<E>>
where
    F: Future<Output = Result<T, E>>,
{
    let delay = delay(addresses.len());
    let (mut waiting, mut running, mut failed) = (addresses.into_iter(), FuturesUnordered::new(), Vec::new());
    loop {
        running.extend(waiting.next().map(&attempt));
        tokio::select! {
            biased;
            ended = running.next() => match ended {
                Some(Ok(connected)) => return Ok(connected),
                Some(Err(error)) => failed.push(error),
                None => return Err(failed),
            },
            () = sleep(delay), if waiting.len() > 0 => {}
        }
    }
}

/// One error for those of all addresses.
fn all_failed(mut failed: Vec<(SocketAddr, io::Error)>) -> io::Error {
    if failed.len() == 1 {
        return failed.swap_remove(0).1;
    }
    let kind = failed.first().map_or(io::ErrorKind::NotFound, |(_, error)| error.kind());
    let mut words: Vec<_> = failed.iter().take(NAMED).map(|(address, error)| format!("{address}: {error}")).collect();
    if failed.len() > NAMED {
        words.push(format!("and {} more addresses", failed.len() - NAMED));
    }
    io::Error::new(kind, words.join("; "))
}

#[cfg(test)]
mod tests;
