//! What calls may hold at a time: a bound of the process, whichever connections and workers they are on.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use hyper::body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use user_info_api::config::Server;
use user_info_layers::room::Room;

/// Streams that may stay open for long, such as those of health and reflection, have a room of their own, so that they take none from calls:
/// this part of `server.maxInFlight`.
const PART_FOR_STREAMS: usize = 4;

/// Counts what is held. Shared by all workers; cheap to clone.
#[derive(Debug, Clone)]
pub struct Capacity {
    pools: Arc<Pools>,
}

#[derive(Debug)]
struct Pools {
    calls: Pool,
    streams: Pool,
    bytes: Pool,
}

#[derive(Debug)]
struct Pool {
    room: Room,
    most: usize,
}

/// What is taken of a [`Capacity`], given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    pools: Arc<Pools>,
    of: fn(&Pools) -> &Pool,
    amount: usize,
}

impl Capacity {
    /// The room that `server` allows.
    pub fn new(server: &Server) -> Self {
        let calls = server.in_flight() as usize;
        Self::of(calls, calls.div_ceil(PART_FOR_STREAMS), usize::try_from(server.buffered_bytes()).unwrap_or(usize::MAX))
    }

    /// More room than anybody takes.
    pub fn unbounded() -> Self {
        Self::of(usize::MAX, usize::MAX, usize::MAX)
    }

    fn of(calls: usize, streams: usize, bytes: usize) -> Self {
        let [calls, streams, bytes] = [calls, streams, bytes].map(|most| Pool { room: Room::default(), most });
        Self { pools: Arc::new(Pools { calls, streams, bytes }) }
    }

    /// Room for a call, if there is any.
    pub fn call(&self) -> Option<Reservation> {
        self.take(|pools| &pools.calls, 1)
    }

    /// Room for a stream that may stay open for long, if there is any.
    pub fn stream(&self) -> Option<Reservation> {
        self.take(|pools| &pools.streams, 1)
    }

    /// Room for so many bytes, if there is any.
    pub fn bytes(&self, amount: usize) -> Option<Reservation> {
        self.take(|pools| &pools.bytes, amount)
    }

    /// Whether no call would find room.
    pub(super) fn is_full(&self) -> bool {
        let calls = &self.pools.calls;
        calls.room.taken() >= calls.most
    }

    fn take(&self, of: fn(&Pools) -> &Pool, amount: usize) -> Option<Reservation> {
        let pool = of(&self.pools);
        pool.room.take(amount, pool.most).then(|| Reservation { pools: Arc::clone(&self.pools), of, amount })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        (self.of)(&self.pools).room.give_back(self.amount);
    }
}

pin_project! {
    /// A body that keeps its room until it is sent or dropped.
    #[derive(Debug)]
    pub struct ReservedBody<B> {
        #[pin]
        body: B,
        reserved: Option<Reservation>,
    }
}

impl<B> ReservedBody<B> {
    /// Keeps `reserved` as long as `body`.
    pub const fn new(body: B, reserved: Option<Reservation>) -> Self {
        Self { body, reserved }
    }
}

impl<B: Body> Body for ReservedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_held_is_bounded_and_given_back() {
        let capacity = Capacity::of(2, 1, 100);
        let calls = [capacity.call().expect("room"), capacity.call().expect("room")];
        assert!(capacity.call().is_none() && capacity.is_full());
        let stream = capacity.stream().expect("room of its own");
        assert!(capacity.stream().is_none());
        drop(calls);
        assert!(capacity.call().is_some() && !capacity.is_full());
        drop(stream);
        assert!(capacity.stream().is_some());
        let bytes = capacity.bytes(60).expect("room");
        assert!(capacity.bytes(41).is_none() && capacity.bytes(usize::MAX).is_none());
        assert!(capacity.bytes(40).is_some());
        drop(bytes);
        assert!(capacity.bytes(100).is_some());
    }

    #[test]
    fn the_bound_holds_whoever_asks_at_the_same_time() {
        let capacity = Capacity::of(100, 0, 0);
        let reserved: usize = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..8).map(|_| scope.spawn(|| (0..1000).map_while(|_| capacity.call()).collect::<Vec<_>>())).collect();
            workers.into_iter().map(|worker| worker.join().expect("no panic")).collect::<Vec<_>>().iter().map(Vec::len).sum()
        });
        assert!(reserved <= 100, "{reserved}");
        assert_eq!(capacity.pools.calls.room.taken(), 0);
    }
}
