//! A listener whose callers are bounded.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::peer::Shared;
use crate::{Bounds, Http1, cut_off_the_lost};

/// Pause after a failed accept, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);
/// How long requests that are being answered may take after the end was asked for.
const LINGER: Duration = Duration::from_secs(1);

/// Serves `routes` over HTTP/1 on `listener` within `bounds`, until `stop`; then requests that are being answered have a second to end.
///
/// Who finds no room is told so by the end of the connection. Handlers find out by the extension [`Peer`](crate::Peer) of a request whether
/// it is worth their while to wait for news.
pub async fn serve(listener: TcpListener, routes: Router, bounds: Bounds, stop: impl Future<Output = ()>) {
    let (end, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    tokio::select! {
        () = accept(&listener, &routes, bounds, &stopping, &mut connections) => {}
        () = stop => {}
    }
    drop(listener);
    end.send_replace(true);
    // Those that are left then are dropped.
    let _ = timeout(LINGER, async { while connections.join_next().await.is_some() {} }).await;
}

/// Accepts for ever.
async fn accept(listener: &TcpListener, routes: &Router, bounds: Bounds, stopping: &watch::Receiver<bool>, connections: &mut JoinSet<()>) {
    let (permits, http1) = (Arc::new(Semaphore::new(bounds.connections)), Http1::new(bounds));
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
                        connections.spawn(one(stream, http1.clone(), routes.clone(), stopping.clone(), permit));
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "connection not accepted");
                    sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}

async fn one(stream: TcpStream, http1: Http1, routes: Router, stopping: watch::Receiver<bool>, _permit: OwnedSemaphorePermit) {
    if let Err(error) = stream.set_nodelay(true).and_then(|()| cut_off_the_lost(&stream)) {
        tracing::debug!(%error, "connection not served");
        return;
    }
    let (stream, peer) = Shared::new(stream);
    http1.serve_peer(stream, routes, Some(peer), stopping).await;
}

#[cfg(test)]
mod tests;
