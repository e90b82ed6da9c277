//! The queue between callers and owners: bounded, first in, first out for each worker, and empty while no connection is open.
//!
//! All workers of a process share it. One lock guards it, so each of its methods is a step that no other comes between.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use super::gathering::{Gathering, Request, Seat};
use super::reply::{self, Reply};
use super::{LoadError, Read};
use crate::data::metrics::StoreMetrics;

/// Reads that wait, and owners that wait for reads.
pub(super) struct Queue<K, V> {
    state: Mutex<State<K, V>>,
    capacity: usize,
    pub(super) metrics: StoreMetrics,
}

struct State<K, V> {
    gathering: Gathering<K, V>,
    closed: bool,
}

impl<K, V> Queue<K, V> {
    /// A queue for so many workers, in which at most `capacity` reads wait.
    pub(super) fn new(workers: usize, capacity: usize, metrics: StoreMetrics) -> Self {
        Self { state: Mutex::new(State { gathering: Gathering::new(workers), closed: false }), capacity, metrics }
    }

    fn state(&self) -> MutexGuard<'_, State<K, V>> {
        // No code that can panic runs under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says how many reads wait; under the lock, so that what is said last is what holds.
    fn say(&self, state: &State<K, V>) {
        self.metrics.queue_depth.set(state.gathering.waiting() as i64);
    }

    /// Lines up a read by the worker `home`, on whose thread this is called. Fails at once while no connection is open, or if the queue is
    /// full.
    pub(super) fn push(&self, home: usize, key: K) -> Result<Reply<Read<V>>, LoadError> {
        let mut state = self.state();
        if state.gathering.connected() == 0 {
            self.metrics.disconnected.inc();
            return Err(LoadError::Unavailable);
        }
        if state.gathering.waiting() >= self.capacity {
            state.gathering.forget_the_gone();
            if state.gathering.waiting() >= self.capacity {
                self.say(&state);
                self.metrics.overloaded.inc();
                return Err(LoadError::Overloaded);
            }
        }
        let (answerer, reply) = reply::reply();
        let owner = state.gathering.push(Request { key, home, answerer });
        self.say(&state);
        drop(state);
        if let Some(owner) = owner {
            owner.wake();
        }
        Ok(reply)
    }

    /// Moves reads that somebody still waits for into `batch`, and waits until there is one. False when the queue is closed.
    pub(super) async fn take(&self, seat: Seat, batch: &mut Vec<Request<K, V>>) -> bool {
        poll_fn(|cx| self.poll_take(cx, seat, batch)).await
    }

    pub(super) fn poll_take(&self, cx: &Context<'_>, seat: Seat, batch: &mut Vec<Request<K, V>>) -> Poll<bool> {
        let mut state = self.state();
        if state.closed {
            return Poll::Ready(false);
        }
        let others = state.gathering.take(seat, batch);
        self.say(&state);
        if batch.is_empty() {
            state.gathering.rest(seat, cx.waker().clone());
        }
        drop(state);
        others.into_iter().for_each(Waker::wake);
        if batch.is_empty() { Poll::Pending } else { Poll::Ready(true) }
    }

    /// Lets nobody wait for an owner's batch any more: it takes longer than it should.
    pub(super) fn delayed(&self, seat: Seat) {
        let mut state = self.state();
        let next = state.gathering.delayed(seat);
        drop(state);
        if let Some(next) = next {
            next.wake();
        }
    }

    /// Ends all owners.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.closed = true;
        let idle = state.gathering.all_idle();
        drop(state);
        idle.into_iter().for_each(Waker::wake);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Connections that are open.
    pub(super) fn connected(&self) -> usize {
        self.state().gathering.connected()
    }

    #[cfg(test)]
    pub(super) fn gathering<T>(&self, look: impl FnOnce(&Gathering<K, V>) -> T) -> T {
        look(&self.state().gathering)
    }
}

/// Counts the connection of an owner as open until dropped. With the last one go the reads that wait: nobody is left to carry them out.
pub(super) struct ConnectionGuard<K, V> {
    queue: Arc<Queue<K, V>>,
    seat: Seat,
}

impl<K, V> ConnectionGuard<K, V> {
    pub(super) fn open(queue: &Arc<Queue<K, V>>, seat: Seat) -> Self {
        queue.state().gathering.connect(seat);
        queue.metrics.connected.inc();
        Self { queue: Arc::clone(queue), seat }
    }
}

impl<K, V> Drop for ConnectionGuard<K, V> {
    fn drop(&mut self) {
        let queue = &self.queue;
        queue.metrics.connected.dec();
        let mut state = queue.state();
        // This owner would have looked for what waits.
        let (lost, next) = state.gathering.disconnect(self.seat);
        queue.say(&state);
        drop(state);
        if let Some(next) = next {
            next.wake();
        }
        queue.metrics.disconnected.inc_by(lost.len() as u64);
        for Request { answerer, .. } in lost {
            if let Some(caller) = answerer.answer(Err(LoadError::Unavailable)) {
                caller.wake();
            }
        }
    }
}

#[cfg(test)]
mod tests;
