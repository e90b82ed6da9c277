//! Serves the admin endpoints of a program that has no other listener.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::server::connection::http1;
use crate::server::worker::cut_off_the_lost;

/// Open connections; more are closed at once. Prometheus, probes and a person or two need a handful.
const CONNECTIONS: usize = 256;
/// How long a connection may be idle: longer than Prometheus waits from one look to the next.
const IDLE: Duration = Duration::from_secs(120);
/// Pause after a failed accept, such as for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves `routes` on `listener`, for ever, within the bounds that `user_info` has: a head is at most 16 KiB and comes within 15 s, and who
/// takes nothing for 20 s is cut off.
pub(crate) async fn serve(listener: TcpListener, routes: Router) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    // Nobody tells it to stop: it ends with the process.
    let (_going_on, stopping) = watch::channel(false);
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                if let Ok(permit) = Arc::clone(&permits).try_acquire_owned() {
                    tokio::spawn(one(stream, routes.clone(), stopping.clone(), permit));
                }
            }
            Err(error) => {
                tracing::debug!(%error, "connection not accepted");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn one(stream: TcpStream, routes: Router, stopping: watch::Receiver<bool>, _permit: OwnedSemaphorePermit) {
    if let Err(error) = stream.set_nodelay(true).and_then(|()| cut_off_the_lost(&stream)) {
        tracing::debug!(%error, "connection not served");
        return;
    }
    http1(stream, routes, IDLE, stopping).await;
}
