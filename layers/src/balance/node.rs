//! One instance, as the balancer sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::ewma::{Begun, Ewma};
use super::meter::Meter;

/// The way to one instance.
pub trait Connection: Send + Sync + 'static {
    /// Whether calls can be sent over it now.
    fn state(&self) -> ConnectionState;

    /// Its instance was ejected: it should make sure that the instance lives before it says that it is up again.
    fn suspect(&self);
}

/// State of a [`Connection`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionState {
    /// Connected, and the instance answers.
    Up,
    /// Connected, but the instance may hang.
    Suspect,
    /// About to be connected: for the first time, or again after an ordinary end.
    Connecting,
    /// Not connected: the last attempt failed, or the connection broke.
    Down,
}

/// What the end of a call says about the instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// It answered as it should.
    Good,
    /// It answered with an error of this code.
    Answered(u16),
    /// It did not answer in time.
    TimedOut,
    /// The connection of this number broke.
    Disconnected(u64),
    /// Nothing: the call was not begun.
    NotBegun,
    /// Nothing: the call was not begun, since the connection had ended; the next one is being made.
    ConnectionEnded,
    /// Nothing: the caller went away.
    Canceled,
}

impl CallOutcome {
    /// What the averages of latency and success learn: 503 and 504 are failures there, 500 is not, as in Kratos.
    const fn sample(self) -> Option<bool> {
        match self {
            Self::Good => Some(true),
            Self::Answered(code) => Some(!matches!(code, 503 | 504)),
            Self::TimedOut | Self::Disconnected(_) => Some(false),
            Self::NotBegun | Self::ConnectionEnded | Self::Canceled => None,
        }
    }

    /// Code under which the call is counted for the instance; inner `None` is success, outer `None` counts nothing.
    const fn code(self) -> Option<Option<u16>> {
        match self {
            Self::Good => Some(None),
            Self::Answered(code) => Some(Some(code)),
            Self::TimedOut => Some(Some(504)),
            Self::Disconnected(_) => Some(Some(503)),
            Self::NotBegun | Self::ConnectionEnded => None,
            Self::Canceled => Some(Some(499)),
        }
    }
}

/// One instance: its address, its weight, how it did of late, and the connection to it.
#[derive(Debug)]
pub struct Node<C> {
    address: Box<str>,
    connection: C,
    weight: AtomicU32,
    ewma: Ewma,
    /// Calls in a row that timed out, and connections in a row that broke.
    failures: AtomicU32,
    /// The last connection that broke, so that the calls lost with it count once.
    broken: AtomicU64,
    pub(super) meter: Meter,
}

impl<C> Node<C> {
    pub(super) fn new(address: &str, weight: u32, connection: C, meter: Meter, now: Instant) -> Self {
        Self {
            address: address.into(),
            connection,
            weight: AtomicU32::new(weight),
            ewma: Ewma::new(now),
            failures: AtomicU32::new(0),
            broken: AtomicU64::new(0),
            meter,
        }
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The way there.
    pub const fn connection(&self) -> &C {
        &self.connection
    }

    /// Share of the calls under weighted round-robin.
    pub fn weight(&self) -> u32 {
        self.weight.load(Relaxed)
    }

    /// Calls begun and not ended.
    pub fn in_flight(&self) -> u64 {
        self.ewma.in_flight()
    }

    /// Calls ended since the node is known, and how many of them with an error.
    pub fn totals(&self) -> (u64, u64) {
        self.meter.totals()
    }

    /// Changes the weight; says whether it did.
    pub(super) fn set_weight(&self, weight: u32) -> bool {
        self.weight.swap(weight, Relaxed) != weight
    }

    pub(super) fn cost(&self, now: Instant) -> f64 {
        self.ewma.cost(now)
    }

    pub(super) fn claim_if_idle_for(&self, idle: Duration, now: Instant) -> bool {
        self.ewma.claim_if_idle_for(idle, now)
    }

    /// Begins a call to the node.
    pub fn begin(self: &Arc<Self>, now: Instant) -> InFlight<C> {
        InFlight { begun: self.ewma.begin(now), node: Arc::clone(self), outcome: CallOutcome::Canceled }
    }

    /// Failures in a row after this outcome, if it is one more.
    fn judge(&self, outcome: CallOutcome) -> Option<u32> {
        match outcome {
            CallOutcome::Good | CallOutcome::Answered(_) => {
                // Mostly 0 already: a load leaves the cache line shared.
                if self.failures.load(Relaxed) != 0 {
                    self.failures.store(0, Relaxed);
                }
                None
            }
            CallOutcome::Disconnected(connection) if self.broken.swap(connection, Relaxed) == connection => None,
            CallOutcome::TimedOut | CallOutcome::Disconnected(_) => Some(self.failures.fetch_add(1, Relaxed) + 1),
            CallOutcome::NotBegun | CallOutcome::ConnectionEnded | CallOutcome::Canceled => None,
        }
    }

    /// Forgets failures in a row.
    pub(super) fn absolve(&self) {
        self.failures.store(0, Relaxed);
    }
}

/// A call in flight to a node. Dropped without an outcome, it counts as canceled and says nothing about the node.
#[derive(Debug)]
pub struct InFlight<C> {
    node: Arc<Node<C>>,
    begun: Begun,
    outcome: CallOutcome,
}

impl<C> InFlight<C> {
    /// Ends the call. Says how many failures in a row the node has now, if this is one.
    pub fn end(mut self, outcome: CallOutcome) -> Option<u32> {
        self.outcome = outcome;
        self.node.judge(outcome)
    }
}

impl<C> Drop for InFlight<C> {
    fn drop(&mut self) {
        self.node.ewma.end(&self.begun, self.outcome.sample(), Instant::now());
        if let Some(code) = self.outcome.code() {
            self.node.meter.count(&self.node.address, code);
        }
    }
}
