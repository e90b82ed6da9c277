//! Batching loader: reads of single keys, carried out as few queries.
//!
//! A bounded queue is shared by one owner task a connection. An owner that is free takes what waits, up to [`MAX_BATCH`] keys, and runs one
//! query. There is no timer window: alone, a read is a batch of one and waits for nobody; under load, reads gather while a connection is
//! busy, so batches grow by themselves, and a further connection joins in once as many reads wait as the last batch on its way took. A query
//! starts after all of its reads were asked for, hence a read through the loader is as fresh as a direct one; joining a query already on its way
//! would not be.
//!
//! Owners run on the runtime that opened the loader. A caller that goes away leaves nothing behind: its read is skipped, or its answer dropped.

mod bound;
mod owner;
mod queue;

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use self::owner::Owner;
use self::queue::{ConnectionGuard, Queue};
use super::metrics::StoreMetrics;

/// Most keys in one query.
pub const MAX_BATCH: usize = 256;

/// Most reads that wait; the next is refused as [`LoadError::Overloaded`].
pub const QUEUE_CAPACITY: usize = 4096;

/// Longest time a connection may take to open.
pub const CONNECT_BOUND: Duration = Duration::from_secs(1);

/// A store as the loader sees it: something to connect to, and a read of several keys at once.
pub trait Backend: fmt::Debug + Send + Sync + 'static {
    /// What a value is found by.
    type Key: Copy + Ord + Send + 'static;
    /// What is read; cloned only for reads of the same key in one batch.
    type Value: Clone + Send + 'static;
    /// An open connection; dropped, it closes.
    type Connection: Send + 'static;

    /// Longest time one query may take; 75 to 100 % of it in practice. Then the connection is dropped and a new one opened.
    const BATCH_BOUND: Duration;

    /// Opens a connection that is ready for [`read`](Self::read).
    fn connect(&self) -> impl Future<Output = Result<Self::Connection, ConnectError>> + Send;

    /// Reads `keys` (distinct, ascending, 1 to [`MAX_BATCH`]) and puts what is found into `answers`, in the order of the keys. All answers
    /// are [`Answer::Missing`] at first.
    fn read(
        &self,
        connection: &mut Self::Connection,
        keys: &[Self::Key],
        answers: &mut [Answer<Self::Value>],
    ) -> impl Future<Output = Result<(), ReadError>> + Send;
}

/// What a query says about one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<V> {
    /// Nothing is stored under the key.
    Missing,
    /// The value.
    Found(V),
    /// Something is stored that is not a value, and why.
    Malformed(Arc<str>),
}

/// Why a connection could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// Somebody has to change something: a password, a grant, a missing table. The message says what.
    #[error("{0}")]
    Configuration(String),
    /// The store is away and may come back.
    #[error("{0}")]
    Unreachable(String),
}

/// Why a query failed as a whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The connection is of no use any more.
    #[error("{0}")]
    ConnectionLost(String),
    /// The store refused the query; the connection is fine.
    #[error("{0}")]
    Refused(String),
}

/// Why a read failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// More reads wait than the queue holds.
    #[error("too many reads wait for the store")]
    Overloaded,
    /// The store does not answer; [`Loader::status`] knows why.
    #[error("the store is unavailable")]
    Unavailable,
    /// What is stored under the key cannot be read.
    #[error("{0}")]
    Malformed(Arc<str>),
}

/// How a store is doing, without asking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreStatus {
    /// Kind and address, such as `mysql 127.0.0.1:3306`.
    pub store: Arc<str>,
    /// Connections that are open, of this worker.
    pub connected: usize,
    /// The last failure, unless a query succeeded since.
    pub last_error: Option<Arc<str>>,
}

/// Handle to a store: cheap to clone. The connections close when the last handle is dropped.
pub struct Loader<K, V> {
    handle: Arc<Handle<K, V>>,
}

struct Handle<K, V> {
    queue: Arc<Queue<K, V>>,
}

impl<K: Copy + Ord + Send + 'static, V: Clone + Send + 'static> Loader<K, V> {
    /// Opens `connections` (at least one) to `backend`, called `store` in logs. A store that is unreachable is tolerated: its reads fail until
    /// it comes back.
    ///
    /// # Errors
    /// [`ConnectError::Configuration`] if the first connection shows that somebody has to change something.
    pub async fn open<B>(backend: B, store: &str, connections: u16, metrics: StoreMetrics) -> Result<Self, ConnectError>
    where
        B: Backend<Key = K, Value = V>,
    {
        let queue = Arc::new(Queue::new(store, QUEUE_CAPACITY, metrics));
        let first = match owner::connect(&backend, store).await {
            Ok(connection) => Some((connection, ConnectionGuard::open(&queue, 0))),
            Err(ConnectError::Unreachable(error)) => {
                queue.report(&error);
                None
            }
            Err(error) => return Err(error),
        };
        let backend = Arc::new(backend);
        let loader = Self { handle: Arc::new(Handle { queue: queue.clone() }) };
        tokio::spawn(Owner::new(0, backend.clone(), queue.clone()).run(first));
        for id in 1..usize::from(connections) {
            tokio::spawn(Owner::new(id, backend.clone(), queue.clone()).run(None));
        }
        Ok(loader)
    }

    /// Lines a read of `key` up at once, and gives what waits for its answer. May be dropped at any time.
    pub fn load(&self, key: K) -> impl Future<Output = Result<Option<V>, LoadError>> + use<K, V> {
        let reply = self.handle.queue.push(key);
        // An owner drops the other end only together with its runtime.
        async { reply?.await.unwrap_or(Err(LoadError::Unavailable)) }
    }

    /// How the store is doing.
    pub fn status(&self) -> StoreStatus {
        self.handle.queue.status()
    }
}

impl<K, V> Clone for Loader<K, V> {
    fn clone(&self) -> Self {
        Self { handle: self.handle.clone() }
    }
}

impl<K, V> fmt::Debug for Loader<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").finish_non_exhaustive()
    }
}

impl<K, V> Drop for Handle<K, V> {
    fn drop(&mut self) {
        self.queue.close();
    }
}
