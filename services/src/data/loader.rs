//! Batching loader: reads of single keys, carried out as few queries.
//!
//! A bounded queue is shared by all workers of a process and by one owner task a connection. An owner that is free takes what waits, up to
//! [`MAX_BATCH`] keys, and runs one query. There is no timer window: alone, a read is a batch of one and waits for nobody; under load, reads gather while a connection is
//! busy, so batches grow by themselves, and a further connection joins in once as many reads wait as the last batch on its way took. A query
//! starts after all of its reads were asked for, hence a read through the loader is as fresh as a direct one; joining a query already on its way
//! would not be.
//!
//! Each owner runs on the runtime of one worker. A worker's reads are taken by an owner of its own if one is free, since to wake another thread
//! is a system call, and else by any; what several workers ask for at the same time is one query. The runtimes have to live as long as any worker
//! reads. A caller that goes away leaves nothing behind: its read is skipped, or its answer dropped.

mod bound;
mod gathering;
mod owner;
mod queue;
mod reply;
mod trouble;
mod wakes;

#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::gathering::Seat;
use self::owner::Owner;
use self::queue::{ConnectionGuard, Queue};
use self::trouble::Trouble;
use self::wakes::Wakes;
use super::metrics::StoreMetrics;

/// Most keys in one query.
pub const MAX_BATCH: usize = 256;

/// Most reads that wait, for each worker of the process; the next is refused as [`LoadError::Overloaded`].
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

    /// What the store gives to all its clients together, if it can tell; asked once, to warn of a setting that asks for more.
    fn room(&self, _connection: &mut Self::Connection) -> impl Future<Output = Option<Room>> + Send {
        std::future::ready(None)
    }

    /// Reads `keys` (distinct, ascending, 1 to [`MAX_BATCH`]) and puts what is found into `answers`, in the order of the keys. All answers
    /// are [`Answer::Missing`] at first.
    fn read(
        &self,
        connection: &mut Self::Connection,
        keys: &[Self::Key],
        answers: &mut [Answer<Self::Value>],
    ) -> impl Future<Output = Result<(), ReadError>> + Send;
}

/// How many connections a store gives to all its clients together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// So many.
    pub connections: u64,
    /// The store's name for that limit.
    pub limit: &'static str,
    /// The setting of ours that says how many are wanted.
    pub setting: &'static str,
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
    /// Connections that the process is to have.
    pub connections: usize,
    /// Those of them that are open.
    pub connected: usize,
    /// The last failure, unless a query succeeded since.
    pub last_error: Option<Arc<str>>,
}

impl StoreStatus {
    /// A store in memory, which always answers.
    pub(super) fn memory() -> Self {
        Self { store: "memory".into(), connections: 0, connected: 0, last_error: None }
    }

    /// What is the matter, if reads fail or fewer connections are open than there should be.
    pub fn trouble(&self) -> Option<String> {
        if self.last_error.is_none() && self.connected > 0 || self.connections == 0 {
            return None;
        }
        let why = self.last_error.as_deref().unwrap_or(&self.store);
        let (open, all) = (self.connected, self.connections);
        Some(if open < all { format!("{why} ({open} of {all} connections are open)") } else { why.to_owned() })
    }
}

/// What a read gives.
type Read<V> = Result<Option<V>, LoadError>;

/// What the owners and all handles of a loader share.
struct Shared<K, V> {
    queue: Arc<Queue<K, V>>,
    trouble: Trouble,
    /// Of each worker, the tasks to be woken there.
    wakes: Box<[Arc<Wakes>]>,
    connections: usize,
}

impl<K, V> Shared<K, V> {
    /// Notes that an attempt to open a connection failed.
    fn not_connected(&self, connection: usize, error: &str) {
        self.queue.metrics.connect_failures.inc();
        self.trouble.unconnected(connection, error);
    }
}

/// A worker's handle to a store: cheap to clone. The connections close when the last handle of all workers is dropped.
pub struct Loader<K, V> {
    handle: Arc<Handle<K, V>>,
    /// The worker it belongs to.
    home: usize,
}

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

struct Handle<K, V> {
    shared: Arc<Shared<K, V>>,
    /// Of each worker, what runs on its runtime once it has joined.
    tasks: Mutex<Vec<Vec<Task>>>,
}

impl<K: Copy + Ord + Send + 'static, V: Clone + Send + 'static> Loader<K, V> {
    /// Opens a loader for so many workers, of which the current runtime is number 0, with `connections` in all (at least one) to `backend`,
    /// called `store` in logs. They are dealt out to the workers in turn; those of the others are opened when they [`join`](Self::join). A
    /// store that is unreachable is tolerated: its reads fail until it comes back.
    ///
    /// # Errors
    /// [`ConnectError::Configuration`] if the first connection shows that somebody has to change something.
    pub async fn open<B>(backend: B, store: &str, connections: u16, workers: usize, metrics: StoreMetrics) -> Result<Self, ConnectError>
    where
        B: Backend<Key = K, Value = V>,
    {
        let (workers, connections) = (workers.max(1), usize::from(connections));
        let queue = Arc::new(Queue::new(workers, QUEUE_CAPACITY.saturating_mul(workers), metrics));
        let wakes: Box<[_]> = std::iter::repeat_with(Arc::<Wakes>::default).take(workers).collect();
        let shared = Arc::new(Shared { queue, trouble: Trouble::new(store), wakes, connections });
        let mut first = match owner::connect(&backend, store).await {
            Ok(connection) => Some((connection, ConnectionGuard::open(&shared.queue, Seat { owner: 0, worker: 0 }))),
            Err(ConnectError::Unreachable(error)) => {
                shared.not_connected(0, &error);
                None
            }
            Err(error) => return Err(error),
        };
        let backend = Arc::new(backend);
        let mut tasks: Vec<Vec<Task>> = Vec::with_capacity(workers);
        for wakes in &shared.wakes {
            // A single worker has nobody elsewhere.
            tasks.push(if workers > 1 { vec![Box::pin(Arc::clone(wakes).run())] } else { Vec::new() });
        }
        for owner in 0..connections {
            let seat = Seat { owner, worker: owner % workers };
            let (backend, shared, open) = (Arc::clone(&backend), Arc::clone(&shared), first.take());
            tasks[seat.worker].push(Box::pin(async move { Owner::new(seat, backend, shared).run(open).await }));
        }
        let loader = Self { handle: Arc::new(Handle { shared, tasks: Mutex::new(tasks) }), home: 0 };
        Ok(loader.join(0))
    }

    /// The handle of the worker number `worker`, on whose runtime this is called. Its connections are opened, at the first time.
    #[must_use]
    pub fn join(&self, worker: usize) -> Self {
        // No code that can panic runs under the lock.
        let tasks = std::mem::take(&mut self.handle.tasks.lock().unwrap_or_else(PoisonError::into_inner)[worker]);
        for task in tasks {
            tokio::spawn(task);
        }
        Self { handle: Arc::clone(&self.handle), home: worker }
    }

    /// Lines a read of `key` up at once, and gives what waits for its answer. May be dropped at any time.
    pub fn load(&self, key: K) -> impl Future<Output = Result<Option<V>, LoadError>> + use<K, V> {
        let reply = self.handle.shared.queue.push(self.home, key);
        // An owner gives no answer only if its runtime ends.
        async { reply?.await.unwrap_or(Err(LoadError::Unavailable)) }
    }

    /// How the store is doing.
    pub fn status(&self) -> StoreStatus {
        let Shared { queue, trouble, connections, .. } = &*self.handle.shared;
        let (store, connected) = (Arc::clone(trouble.store()), queue.connected());
        StoreStatus { store, connections: *connections, connected, last_error: trouble.now() }
    }
}

impl<K, V> Clone for Loader<K, V> {
    fn clone(&self) -> Self {
        Self { handle: Arc::clone(&self.handle), home: self.home }
    }
}

impl<K, V> fmt::Debug for Loader<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loader").finish_non_exhaustive()
    }
}

impl<K, V> Drop for Handle<K, V> {
    fn drop(&mut self) {
        self.shared.queue.close();
    }
}
