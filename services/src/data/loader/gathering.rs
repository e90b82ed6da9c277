//! Who takes which reads, and when: plain data, which [`Queue`](super::queue::Queue) guards by its lock.
//!
//! Each worker has reads of its own and owners of its own, of which some may wait for reads. A read calls an owner of its own worker, which
//! costs no system call, and one of another worker only if its own has none that is free. The owner takes the reads of the other workers
//! along.
//!
//! What always holds, so that no read is forgotten: while a read waits, an owner is called, or a batch is on its way that is larger than what
//! waits, or no owner of a read that waits is free.

use std::collections::VecDeque;
use std::task::Waker;

use super::reply::Answerer;
use super::{MAX_BATCH, Read};

/// So many reads a batch has at least, of other workers if its own has fewer. Beyond, what has an owner of its own is left to that: from here on
/// it costs less to send a query more than to hand so many answers to another thread.
const WORTH_IT: usize = 32;

/// One read that waits.
pub(super) struct Request<K, V> {
    pub(super) key: K,
    /// The worker it belongs to.
    pub(super) home: usize,
    pub(super) answerer: Answerer<Read<V>>,
}

/// An owner, and the worker it runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seat {
    pub(super) owner: usize,
    pub(super) worker: usize,
}

/// Reads that wait, owners that wait for them, and batches on their way.
pub(super) struct Gathering<K, V> {
    places: Vec<Place<K, V>>,
    /// Reads that wait, in all places.
    waiting: usize,
    /// Owners that are called, in all places.
    called: usize,
    /// Times that what waits was left to the owner of another worker.
    left: usize,
    /// Batches on their way, in the order they began in, without those that a later one has overtaken: they may hang.
    on_their_way: Vec<Batch>,
    /// Connections that are open, in all places.
    connected: usize,
    /// The place whose reads come next, after those of the owner's own.
    turn: usize,
}

/// What belongs to one worker.
struct Place<K, V> {
    waiting: VecDeque<Request<K, V>>,
    /// Owners without work, the one that was busy last at the end: it is called first, as its connection is the least likely to be stale.
    idle: Vec<Idle>,
    connected: usize,
}

/// An owner without work.
struct Idle {
    owner: usize,
    waker: Waker,
    /// By whom it was called, if it is on its way to take a batch.
    called: Option<Caller>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    /// Its own worker, which is awake, so that it runs soon and finds what that worker asks for meanwhile.
    Home,
    /// Another one.
    Elsewhere,
}

/// Reads that an owner has taken and not answered yet.
struct Batch {
    owner: usize,
    reads: usize,
}

impl<K, V> Place<K, V> {
    fn is_called(&self, by: impl Fn(Caller) -> bool) -> bool {
        self.idle.iter().any(|idle| idle.called.is_some_and(&by))
    }
}

impl<K, V> Gathering<K, V> {
    pub(super) fn new(workers: usize) -> Self {
        let place = || Place { waiting: VecDeque::new(), idle: Vec::new(), connected: 0 };
        let places = std::iter::repeat_with(place).take(workers.max(1)).collect();
        Self { places, waiting: 0, called: 0, left: 0, on_their_way: Vec::new(), connected: 0, turn: 0 }
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    pub(super) fn connected(&self) -> usize {
        self.connected
    }

    /// Lines a read up. Returns the owner to wake.
    #[must_use]
    pub(super) fn push(&mut self, request: Request<K, V>) -> Option<Waker> {
        let home = request.home;
        self.places[home].waiting.push_back(request);
        self.waiting += 1;
        if self.called > 0 && self.waiting <= self.called * MAX_BATCH {
            // Who is called takes this read along. If that is another worker, its own owner is called as well, which costs nothing: whichever
            // comes last takes all, so what both ask for at the same time is one query.
            if self.places[home].is_called(|_| true) {
                return None;
            }
            return self.call(home, Caller::Home);
        }
        self.call_if_worth_it(home)
    }

    /// Calls an idle owner, if what waits is worth a query of its own; a busy owner looks here again by itself.
    ///
    /// It is if no batch is on its way, or if as many reads wait as the last of them took: batches on several connections grow alike, and a
    /// read that is as alone as the one on its way does not wait for it.
    fn call_if_worth_it(&mut self, home: usize) -> Option<Waker> {
        let enough = match self.called {
            0 => self.on_their_way.last().map_or(1, |batch| batch.reads),
            called => called * MAX_BATCH + 1,
        };
        if self.waiting < enough {
            return None;
        }
        self.call(home, Caller::Home).or_else(|| (0..self.places.len()).find_map(|place| self.call(place, Caller::Elsewhere)))
    }

    fn call(&mut self, place: usize, caller: Caller) -> Option<Waker> {
        let idle = self.places[place].idle.iter_mut().rfind(|idle| idle.called.is_none())?;
        idle.called = Some(caller);
        self.called += 1;
        Some(idle.waker.clone())
    }

    /// Moves reads that somebody still waits for into `batch`, up to [`MAX_BATCH`]. Returns the owners to wake for what is left. The owner's
    /// last batch, if it had one, has ended.
    #[must_use]
    pub(super) fn take(&mut self, seat: Seat, batch: &mut Vec<Request<K, V>>) -> Vec<Waker> {
        self.stir(seat);
        self.ended(seat);
        if self.is_left_to_another(seat) {
            self.left += 1;
            return Vec::new();
        }
        self.left = 0;
        if self.waiting > 0 {
            self.gather(seat.worker, batch);
        }
        if batch.is_empty() {
            return Vec::new();
        }
        self.on_their_way.push(Batch { owner: seat.owner, reads: batch.len() });
        if self.waiting > 0 { self.call_for_the_rest(seat.worker) } else { Vec::new() }
    }

    /// Whether an owner of another worker is about to take all, which that worker has called: it is awake, and asks for more perhaps. Reads
    /// are left at most once to each worker, so that workers that are always awake do not leave them to each other for ever.
    fn is_left_to_another(&self, seat: Seat) -> bool {
        let others = || self.places.iter().enumerate().filter(|(place, _)| *place != seat.worker);
        self.called > 0
            && (1..=MAX_BATCH).contains(&self.waiting)
            && self.left + 1 < self.places.len()
            && others().any(|(_, place)| place.is_called(|by| by == Caller::Home))
    }

    /// Fills a batch: with reads of the owner's own worker first, of which a quarter of the batch is left for the others.
    fn gather(&mut self, home: usize, batch: &mut Vec<Request<K, V>>) {
        let others_wait = self.waiting > self.places[home].waiting.len();
        if others_wait {
            self.take_from(home, MAX_BATCH - MAX_BATCH / 4, batch);
            self.turn = (self.turn + 1) % self.places.len();
            let (places, turn) = (self.places.len(), self.turn);
            for place in (0..places).map(|place| (place + turn) % places).filter(|place| *place != home) {
                let bound = if self.places[place].connected == 0 { MAX_BATCH } else { WORTH_IT };
                self.take_from(place, bound, batch);
            }
        }
        self.take_from(home, MAX_BATCH, batch);
    }

    fn take_from(&mut self, place: usize, bound: usize, batch: &mut Vec<Request<K, V>>) {
        while batch.len() < bound
            && let Some(request) = self.places[place].waiting.pop_front()
        {
            self.waiting -= 1;
            if !request.answerer.is_closed() {
                batch.push(request);
            }
        }
    }

    /// Calls the owners of those whose reads did not get into the batch.
    fn call_for_the_rest(&mut self, home: usize) -> Vec<Waker> {
        let mut owners = Vec::new();
        for place in (0..self.places.len()).filter(|place| *place != home) {
            if !self.places[place].waiting.is_empty() && !self.places[place].is_called(|_| true) {
                owners.extend(self.call(place, Caller::Elsewhere));
            }
        }
        owners.extend(self.call_if_worth_it(home));
        owners
    }

    /// Waits for reads.
    pub(super) fn rest(&mut self, seat: Seat, waker: Waker) {
        self.places[seat.worker].idle.push(Idle { owner: seat.owner, waker, called: None });
    }

    /// Waits for reads no longer.
    fn stir(&mut self, seat: Seat) {
        let idle = &mut self.places[seat.worker].idle;
        if let Some(place) = idle.iter().position(|idle| idle.owner == seat.owner) {
            self.called -= usize::from(idle.remove(place).called.is_some());
        }
    }

    /// Notes that an owner's batch, if it had one, has ended.
    fn ended(&mut self, seat: Seat) {
        if let Some(place) = self.on_their_way.iter().position(|batch| batch.owner == seat.owner) {
            self.on_their_way.drain(..=place);
        }
    }

    /// Lets nobody wait for an owner's batch any more. Returns the owner to wake.
    #[must_use]
    pub(super) fn delayed(&mut self, seat: Seat) -> Option<Waker> {
        self.ended(seat);
        self.call_if_worth_it(seat.worker)
    }

    /// An owner has a connection.
    pub(super) fn connect(&mut self, seat: Seat) {
        self.connected += 1;
        self.places[seat.worker].connected += 1;
    }

    /// An owner has lost its connection, or ends. Returns the reads that nobody can carry out, which are all if it was the last one, and the
    /// owner to wake instead of it.
    #[must_use]
    pub(super) fn disconnect(&mut self, seat: Seat) -> (Vec<Request<K, V>>, Option<Waker>) {
        self.connected -= 1;
        self.places[seat.worker].connected -= 1;
        self.stir(seat);
        self.ended(seat);
        if self.connected > 0 {
            return (Vec::new(), self.call_if_worth_it(seat.worker));
        }
        self.waiting = 0;
        (self.places.iter_mut().flat_map(|place| std::mem::take(&mut place.waiting)).collect(), None)
    }

    /// Drops the reads whose callers went away.
    pub(super) fn forget_the_gone(&mut self) {
        for place in &mut self.places {
            place.waiting.retain(|request| !request.answerer.is_closed());
        }
        self.waiting = self.places.iter().map(|place| place.waiting.len()).sum();
    }

    /// All owners that wait for reads.
    pub(super) fn all_idle(&mut self) -> Vec<Waker> {
        self.called = 0;
        self.places.iter_mut().flat_map(|place| std::mem::take(&mut place.idle)).map(|idle| idle.waker).collect()
    }
}
