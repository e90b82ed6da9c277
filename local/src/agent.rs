//! A registry agent inside this process, which speaks the part of Consul 1.13's HTTP API that services, Go-Kratos clients and Prometheus use.
//!
//! What it does not have of that API is refused: an endpoint with 501, a parameter with 400.
//!
//! [`Catalog`] is the registry itself: plain data, told the time. Around it stand the HTTP routes, the waiting of blocking queries, and one
//! task that runs what is due. Nothing is stored: an agent that is started again is empty until the services register again, which they
//! do with their next heartbeat. ACL tokens are not looked at; bind it to 127.0.0.1.

mod blocking;
mod catalog;
mod probe;
mod rejection;
mod routes;
mod unsupported;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore, watch};
use user_info_bounded::{Bounds, serve};

use self::catalog::Catalog;

/// What those who ask may hold. A process of the laptop has two connections or three.
const BOUNDS: Bounds = Bounds { connections: 512, ..Bounds::DEFAULT };
/// Blocking queries that may wait at a time; each has a connection, and heartbeats need some, too.
const MAX_WAITING: usize = BOUNDS.connections / 2;

/// A registry agent. Clones share the registry.
#[derive(Debug, Clone)]
pub struct Agent(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    catalog: Mutex<Catalog>,
    /// The registry's index, for blocking queries.
    changed: watch::Sender<u64>,
    /// Set once, when waiting must end.
    closing: watch::Sender<bool>,
    /// Wakes the task that runs what is due.
    timers: Notify,
    waiting: Semaphore,
}

impl Default for Agent {
    /// An empty registry. Its index starts at the Unix time in seconds, so that it goes on rising when an agent is started again: clients
    /// that do not expect it to fall (Go-Kratos) then notice new answers.
    fn default() -> Self {
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |d| d.as_secs());
        let catalog = Catalog::new(seconds);
        Self(Arc::new(Inner {
            changed: watch::Sender::new(catalog.index()),
            catalog: Mutex::new(catalog),
            closing: watch::Sender::new(false),
            timers: Notify::new(),
            waiting: Semaphore::new(MAX_WAITING),
        }))
    }
}

impl Agent {
    /// Answers requests on `listener` and runs checks until `shutdown`; then ends blocking queries and returns within a second.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let closing = self.clone();
        let server = serve(listener, routes::router(self.clone()), BOUNDS, async move {
            shutdown.await;
            closing.0.closing.send_replace(true);
        });
        tokio::select! {
            () = server => {}
            () = probe::run(&self) => {}
        }
    }

    /// Reads or changes the registry; wakes whoever waits for a change.
    fn with<T>(&self, f: impl FnOnce(&mut Catalog) -> T) -> T {
        // the registry is whole between statements, so a panic elsewhere leaves it usable
        let mut catalog = self.0.catalog.lock().unwrap_or_else(PoisonError::into_inner);
        let result = f(&mut catalog);
        let index = catalog.index();
        drop(catalog);
        self.0.changed.send_if_modified(|known| {
            let changed = *known < index;
            *known = (*known).max(index);
            changed
        });
        result
    }
}

#[cfg(test)]
mod tests;
