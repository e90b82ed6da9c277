//! The queue between callers and owners: first in, first out, bounded, and empty while no connection is open.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::sync::oneshot;

use super::{LoadError, MAX_BATCH, StoreStatus};
use crate::data::metrics::StoreMetrics;

/// Where the answer to a read goes.
pub(super) type Reply<V> = oneshot::Receiver<Result<Option<V>, LoadError>>;

/// One read that waits.
pub(super) struct Request<K, V> {
    pub(super) key: K,
    pub(super) reply: oneshot::Sender<Result<Option<V>, LoadError>>,
}

/// Reads that wait, owners that wait for reads, and what is known about the store.
pub(super) struct Queue<K, V> {
    state: Mutex<QueueState<K, V>>,
    store: Arc<str>,
    capacity: usize,
    pub(super) metrics: StoreMetrics,
}

struct QueueState<K, V> {
    waiting: VecDeque<Request<K, V>>,
    /// Owners without work, the one that was busy last at the end: it is called first, as its connection is the least likely to be stale.
    idle: Vec<Idle>,
    /// Batches on their way, in the order they began in, without those that a later one has overtaken: they may hang.
    on_their_way: Vec<Batch>,
    /// Connections that are open.
    connected: usize,
    closed: bool,
    last_error: Option<Arc<str>>,
}

/// An owner without work.
struct Idle {
    owner: usize,
    waker: Waker,
    /// Whether it is on its way to take a batch.
    called: bool,
}

/// Reads that an owner has taken and not answered yet.
struct Batch {
    owner: usize,
    reads: usize,
}

impl<K, V> QueueState<K, V> {
    /// Notes that an owner's batch, if it had one, has ended.
    fn ended(&mut self, owner: usize) {
        if let Some(place) = self.on_their_way.iter().position(|batch| batch.owner == owner) {
            self.on_their_way.drain(..=place);
        }
    }

    /// Calls an idle owner, if what waits is worth a query of its own; a busy owner looks here again by itself.
    ///
    /// It is if no batch is on its way, or if as many reads wait as the last of them took: batches on several connections grow alike, and a
    /// read that is as alone as the one on its way does not wait for it.
    #[must_use]
    fn call_owner(&mut self) -> Option<Waker> {
        let called = self.idle.iter().filter(|idle| idle.called).count();
        let enough = match called {
            0 => self.on_their_way.last().map_or(1, |batch| batch.reads),
            called => called * MAX_BATCH + 1,
        };
        if self.waiting.len() < enough {
            return None;
        }
        let idle = self.idle.iter_mut().rfind(|idle| !idle.called)?;
        idle.called = true;
        Some(idle.waker.clone())
    }
}

impl<K, V> Queue<K, V> {
    pub(super) fn new(store: &str, capacity: usize, metrics: StoreMetrics) -> Self {
        let state = QueueState {
            waiting: VecDeque::new(),
            idle: Vec::new(),
            on_their_way: Vec::new(),
            connected: 0,
            closed: false,
            last_error: None,
        };
        Self { state: Mutex::new(state), store: store.into(), capacity, metrics }
    }

    fn state(&self) -> MutexGuard<'_, QueueState<K, V>> {
        // No code that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lines a read up. Fails at once while no connection is open, or if the queue is full.
    pub(super) fn push(&self, key: K) -> Result<Reply<V>, LoadError> {
        let mut state = self.state();
        if state.connected == 0 {
            self.metrics.disconnected.inc();
            return Err(LoadError::Unavailable);
        }
        if state.waiting.len() >= self.capacity {
            let before = state.waiting.len();
            state.waiting.retain(|request| !request.reply.is_closed());
            self.metrics.queue_depth.sub((before - state.waiting.len()) as i64);
            if state.waiting.len() >= self.capacity {
                self.metrics.overloaded.inc();
                return Err(LoadError::Overloaded);
            }
        }
        let (reply, receiver) = oneshot::channel();
        state.waiting.push_back(Request { key, reply });
        self.metrics.queue_depth.inc();
        let owner = state.call_owner();
        drop(state);
        if let Some(owner) = owner {
            owner.wake();
        }
        Ok(receiver)
    }

    /// Moves reads that somebody still waits for into `batch`, up to [`MAX_BATCH`], and waits until there is one. False when the queue is
    /// closed.
    pub(super) async fn take(&self, owner: usize, batch: &mut Vec<Request<K, V>>) -> bool {
        poll_fn(|cx| self.poll_take(cx, owner, batch)).await
    }

    fn poll_take(&self, cx: &Context<'_>, owner: usize, batch: &mut Vec<Request<K, V>>) -> Poll<bool> {
        let mut state = self.state();
        if state.closed {
            return Poll::Ready(false);
        }
        state.idle.retain(|idle| idle.owner != owner);
        state.ended(owner);
        let before = state.waiting.len();
        while batch.len() < MAX_BATCH
            && let Some(request) = state.waiting.pop_front()
        {
            if !request.reply.is_closed() {
                batch.push(request);
            }
        }
        self.metrics.queue_depth.sub((before - state.waiting.len()) as i64);
        if batch.is_empty() {
            state.idle.push(Idle { owner, waker: cx.waker().clone(), called: false });
            return Poll::Pending;
        }
        state.on_their_way.push(Batch { owner, reads: batch.len() });
        let next = state.call_owner();
        drop(state);
        if let Some(next) = next {
            next.wake();
        }
        Poll::Ready(true)
    }

    /// Lets nobody wait for an owner's batch any more: it takes longer than it should.
    pub(super) fn delayed(&self, owner: usize) {
        let mut state = self.state();
        state.ended(owner);
        let next = state.call_owner();
        drop(state);
        if let Some(next) = next {
            next.wake();
        }
    }

    /// Ends all owners.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let idle = std::mem::take(&mut state.idle);
        drop(state);
        for Idle { waker, .. } in idle {
            waker.wake();
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Notes a failure, and logs it if it is not the one noted last.
    pub(super) fn report(&self, error: &str) {
        let mut state = self.state();
        let known = state.last_error.as_deref() == Some(error);
        if !known {
            state.last_error = Some(error.into());
        }
        drop(state);
        if !known {
            tracing::warn!(store = &*self.store, error, "store failed");
        }
    }

    /// Notes that the store answers.
    pub(super) fn recovered(&self) {
        if self.state().last_error.take().is_some() {
            tracing::info!(store = &*self.store, "store answers again");
        }
    }

    pub(super) fn status(&self) -> StoreStatus {
        let state = self.state();
        StoreStatus { store: self.store.clone(), connected: state.connected, last_error: state.last_error.clone() }
    }

    pub(super) fn store(&self) -> &str {
        &self.store
    }
}

/// Counts the connection of an owner as open until dropped. With the last one go the reads that wait: nobody is left to carry them out.
pub(super) struct ConnectionGuard<K, V> {
    queue: Arc<Queue<K, V>>,
    owner: usize,
}

impl<K, V> ConnectionGuard<K, V> {
    pub(super) fn open(queue: &Arc<Queue<K, V>>, owner: usize) -> Self {
        queue.state().connected += 1;
        queue.metrics.connected.inc();
        Self { queue: queue.clone(), owner }
    }
}

impl<K, V> Drop for ConnectionGuard<K, V> {
    fn drop(&mut self) {
        let queue = &self.queue;
        queue.metrics.connected.dec();
        let mut state = queue.state();
        state.connected -= 1;
        if state.connected > 0 {
            drop(state);
            // This owner would have looked for what waits.
            queue.delayed(self.owner);
            return;
        }
        state.ended(self.owner);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        queue.metrics.queue_depth.sub(waiting.len() as i64);
        queue.metrics.disconnected.inc_by(waiting.len() as u64);
        for request in waiting {
            // Who went away needs no answer.
            let _ = request.reply.send(Err(LoadError::Unavailable));
        }
    }
}
