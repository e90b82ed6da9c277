//! The task that owns one connection: takes batches, runs them, and replaces the connection when it breaks.

use std::sync::Arc;
use std::time::Duration;

use prometheus::IntCounter;
use tokio::time::{sleep, timeout};
use user_info_backoff::Backoff;

use super::bound::Bound;
use super::gathering::{Request, Seat};
use super::queue::ConnectionGuard;
use super::wakes::Callers;
use super::{Answer, Backend, CONNECT_BOUND, ConnectError, LoadError, Read, ReadError, Shared};

/// Pauses before a new attempt to connect, of which a random half to all is waited.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(2)).with_jitter(0.5, 1.0);

/// Opens a connection within [`CONNECT_BOUND`].
pub(super) async fn connect<B: Backend>(backend: &B, store: &str) -> Result<B::Connection, ConnectError> {
    let late = || ConnectError::Unreachable(format!("{store}: no answer within {CONNECT_BOUND:?}"));
    timeout(CONNECT_BOUND, backend.connect()).await.unwrap_or_else(|_| Err(late()))
}

/// An open connection, counted as such.
type Open<B> = (<B as Backend>::Connection, ConnectionGuard<<B as Backend>::Key, <B as Backend>::Value>);

/// How a query ended that gave no answers.
enum Failure {
    /// The store refused it; the connection stays.
    Refused(String),
    /// The connection broke, and a new one could not be had or broke as well.
    Lost(String),
    /// It took too long.
    Timeout,
}

/// Why the owner stopped serving.
enum End {
    /// All handles are gone.
    Closed,
    /// The connection is.
    Lost,
}

pub(super) struct Owner<B: Backend> {
    seat: Seat,
    backend: Arc<B>,
    shared: Arc<Shared<B::Key, B::Value>>,
    bound: Bound,
    callers: Callers,
    // Buffers of a batch, kept to be filled again.
    batch: Vec<Request<B::Key, B::Value>>,
    keys: Vec<B::Key>,
    answers: Vec<Answer<B::Value>>,
}

impl<B: Backend> Owner<B> {
    /// An owner on the current runtime, which is that of the worker it has its seat with.
    pub(super) fn new(seat: Seat, backend: Arc<B>, shared: Arc<Shared<B::Key, B::Value>>) -> Self {
        let (bound, callers) = (Bound::new(B::BATCH_BOUND), Callers::new(seat.worker, shared.wakes.len()));
        Self { seat, backend, shared, bound, callers, batch: Vec::new(), keys: Vec::new(), answers: Vec::new() }
    }

    /// Serves until the queue is closed, beginning with the connection `open` if there is one.
    pub(super) async fn run(mut self, mut open: Option<Open<B>>) {
        // That of the connection 0 was made when the loader was opened.
        let mut first = self.seat.owner > 0 && open.is_none();
        let mut ask_for_room = self.seat.owner == 0;
        loop {
            let (mut connection, guard) = match open.take() {
                Some(open) => open,
                // The first attempt of a further connection need not wait.
                None => match self.reconnect(std::mem::take(&mut first)).await {
                    Some(connection) => (connection, ConnectionGuard::open(&self.shared.queue, self.seat)),
                    None => return,
                },
            };
            if std::mem::take(&mut ask_for_room) {
                self.ask_for_room(&mut connection).await;
            }
            let end = self.serve(&mut connection).await;
            drop(guard);
            if let End::Closed = end {
                return;
            }
        }
    }

    /// Connects, however many attempts it takes. `None` when the queue is closed.
    async fn reconnect(&mut self, first: bool) -> Option<B::Connection> {
        let mut backoff = BACKOFF;
        if !first {
            sleep(backoff.pause()).await;
        }
        while !self.shared.queue.is_closed() {
            match connect(&*self.backend, self.shared.trouble.store()).await {
                Ok(connection) => {
                    if !first {
                        self.shared.queue.metrics.reconnects.inc();
                    }
                    self.shared.trouble.connected(self.seat.owner);
                    return Some(connection);
                }
                Err(error) => self.shared.not_connected(self.seat.owner, &error.to_string()),
            }
            sleep(backoff.pause()).await;
        }
        None
    }

    /// Says so if the store gives fewer connections than are wanted.
    async fn ask_for_room(&mut self, connection: &mut B::Connection) {
        let Ok(Some(room)) = timeout(CONNECT_BOUND, self.backend.room(connection)).await else { return };
        let wanted = self.shared.connections;
        if (wanted as u64) > room.connections {
            let (store, given, limit, setting) = (&**self.shared.trouble.store(), room.connections, room.limit, room.setting);
            tracing::warn!(store, wanted, given, limit, setting, "more connections are wanted than the store gives in all");
        }
    }

    /// Runs batches until the connection is lost.
    async fn serve(&mut self, connection: &mut B::Connection) -> End {
        while self.shared.queue.take(self.seat, &mut self.batch).await {
            self.batch.sort_unstable_by_key(|request| request.key);
            self.keys.clear();
            self.keys.extend(self.batch.iter().map(|request| request.key));
            self.keys.dedup();
            self.shared.queue.metrics.batch_size.observe(self.keys.len() as f64);
            match self.query(connection).await {
                Ok(()) => {
                    self.shared.trouble.answered();
                    self.answer();
                }
                Err(Failure::Refused(error)) => self.fail(&error, |m| &m.query),
                Err(Failure::Lost(error)) => {
                    self.fail(&error, |m| &m.lost);
                    return End::Lost;
                }
                Err(Failure::Timeout) => {
                    let error = format!("{}: no answer within {:?}", self.shared.trouble.store(), B::BATCH_BOUND);
                    self.fail(&error, |m| &m.timeout);
                    return End::Lost;
                }
            }
        }
        End::Closed
    }

    /// Reads `keys` into `answers`. A connection that turns out dead is replaced once, at once: it may have been idle for longer than the
    /// store keeps it, and reads may be repeated.
    async fn query(&mut self, connection: &mut B::Connection) -> Result<(), Failure> {
        match self.read(connection).await {
            Err(Failure::Lost(_)) => self.shared.queue.delayed(self.seat),
            outcome => return outcome,
        }
        *connection = connect(&*self.backend, self.shared.trouble.store()).await.map_err(|error| Failure::Lost(error.to_string()))?;
        self.shared.queue.metrics.reconnects.inc();
        self.read(connection).await
    }

    async fn read(&mut self, connection: &mut B::Connection) -> Result<(), Failure> {
        self.answers.clear();
        self.answers.resize(self.keys.len(), Answer::Missing);
        match self.bound.run(self.backend.read(connection, &self.keys, &mut self.answers)).await {
            Some(Ok(())) => Ok(()),
            Some(Err(ReadError::Refused(error))) => Err(Failure::Refused(error)),
            Some(Err(ReadError::ConnectionLost(error))) => Err(Failure::Lost(error)),
            None => Err(Failure::Timeout),
        }
    }

    /// Gives each read of the batch its answer. Both are in the order of the keys; a value is cloned only if another read wants it, too.
    fn answer(&mut self) {
        let mut requests = self.batch.drain(..).peekable();
        for (key, answer) in self.keys.iter().zip(self.answers.drain(..)) {
            let mut answer: Read<B::Value> = match answer {
                Answer::Missing => Ok(None),
                Answer::Found(value) => Ok(Some(value)),
                Answer::Malformed(why) => Err(LoadError::Malformed(why)),
            };
            while let Some(request) = requests.next_if(|request| request.key == *key) {
                if answer.is_err() {
                    self.shared.queue.metrics.malformed.inc();
                }
                let more = requests.peek().is_some_and(|next| next.key == *key);
                let own = if more { answer.clone() } else { std::mem::replace(&mut answer, Ok(None)) };
                if let Some(caller) = request.answerer.answer(own) {
                    self.callers.wake(request.home, caller);
                }
            }
        }
        drop(requests);
        self.callers.wake_elsewhere(&self.shared.wakes);
    }

    /// Fails each read of the batch.
    fn fail(&mut self, error: &str, count: impl Fn(&crate::data::metrics::StoreMetrics) -> &IntCounter) {
        self.shared.trouble.query_failed(error);
        count(&self.shared.queue.metrics).inc_by(self.batch.len() as u64);
        for request in self.batch.drain(..) {
            if let Some(caller) = request.answerer.answer(Err(LoadError::Unavailable)) {
                self.callers.wake(request.home, caller);
            }
        }
        self.callers.wake_elsewhere(&self.shared.wakes);
    }
}
