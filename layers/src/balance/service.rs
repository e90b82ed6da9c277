//! The service that picks a node, sends the call, and picks again if the call was not begun or may be retried.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use fastrand::Rng;
use tokio::time::Instant;
use tower::Service;

use super::{CallOutcome, Connection, LoadBalancing, Node, NodeSet, Picker, Retries, RetryBudget, picker};
use crate::ticker::Ticker;
use crate::{Call, Error};

/// Most nodes that one call is offered to while none of them begins it.
const MOST_OFFERS: usize = 8;

/// Carries calls over connections.
pub trait Transport<M>: Send + Sync + 'static {
    /// What it carries them over.
    type Connection: Connection;
    /// What comes back.
    type Reply: Send;

    /// Sends a call and waits for the reply.
    fn send(&self, connection: &Self::Connection, call: &Call<M>) -> impl Future<Output = Result<Self::Reply, Failure>> + Send;
}

/// Why a call did not succeed on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the caller is told.
    pub error: Error,
    /// What it says about the node. After [`CallOutcome::NotBegun`] and [`CallOutcome::ConnectionEnded`] the call is offered to another, if there is
    /// one.
    pub outcome: CallOutcome,
}

impl Failure {
    /// The service answered with `error`.
    pub const fn answered(error: Error) -> Self {
        Self { outcome: CallOutcome::Answered(error.code), error }
    }
}

/// Spreads calls over the nodes of a set.
pub struct Balance<M, T: Transport<M>> {
    dispatcher: Arc<Dispatcher<M, T>>,
}

struct Dispatcher<M, T: Transport<M>> {
    nodes: Arc<NodeSet<T::Connection>>,
    transport: T,
    in_force: ArcSwap<InForce<T::Connection>>,
    budget: RetryBudget,
    ticker: Ticker,
}

/// What settings have led to.
struct InForce<C> {
    balancing: LoadBalancing,
    /// Kept as long as `balancing` is the same: it knows whose turn it is.
    picker: Arc<dyn Picker<C>>,
    retries: Retries,
}

impl<M, T: Transport<M>> Clone for Balance<M, T> {
    fn clone(&self) -> Self {
        Self { dispatcher: Arc::clone(&self.dispatcher) }
    }
}

impl<M, T: Transport<M>> fmt::Debug for Balance<M, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let in_force = self.dispatcher.in_force.load();
        f.debug_struct("Balance").field("balancing", &in_force.balancing).field("retries", &in_force.retries).finish_non_exhaustive()
    }
}

impl<M, T: Transport<M>> Balance<M, T> {
    /// Spreads calls over `nodes` by `balancing`, and sends them with `transport`. `ticker` ends those that outlive their deadline.
    pub fn new(nodes: Arc<NodeSet<T::Connection>>, transport: T, balancing: LoadBalancing, retries: Retries, ticker: Ticker) -> Self {
        let in_force = ArcSwap::from_pointee(InForce { balancing, picker: picker(balancing), retries: retries.clamped() });
        Self { dispatcher: Arc::new(Dispatcher { nodes, transport, in_force, budget: RetryBudget::new(Instant::now()), ticker }) }
    }

    /// Puts other settings in force. Turns go on where they were, unless calls are spread in another way from now on.
    pub fn configure(&self, balancing: LoadBalancing, retries: Retries) {
        self.dispatcher.in_force.rcu(|old| {
            let picker = if old.balancing == balancing { Arc::clone(&old.picker) } else { picker(balancing) };
            InForce { balancing, picker, retries: retries.clamped() }
        });
    }
}

impl<M, T> Service<Call<M>> for Balance<M, T>
where
    M: Send + Sync + 'static,
    T: Transport<M>,
{
    type Response = T::Reply;
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<T::Reply, Error>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call<M>) -> Self::Future {
        Box::pin(Arc::clone(&self.dispatcher).run(call))
    }
}

impl<M: Send + Sync, T: Transport<M>> Dispatcher<M, T> {
    async fn run(self: Arc<Self>, call: Call<M>) -> Result<T::Reply, Error> {
        let (mut now, mut offers, mut attempts, mut avoid) = (call.received, 0, 0, None);
        let in_force = self.in_force.load_full();
        let retries = &in_force.retries;
        if retries.enabled {
            self.budget.deposit(retries.budget_percent);
        }
        loop {
            let (node, all_down) = self.pick(&*in_force.picker, now, avoid.as_ref()).ok_or(Error::NO_AVAILABLE_NODE)?;
            let failure = match self.attempt(&node, &call, now).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            now = Instant::now();
            let again = match failure.outcome {
                // Each time a connection has something new to say, so this ends: with the deadline at the latest.
                CallOutcome::ConnectionEnded if call.deadline.is_some() => true,
                CallOutcome::NotBegun | CallOutcome::ConnectionEnded => {
                    offers += 1;
                    !all_down && offers < MOST_OFFERS
                }
                _ => {
                    attempts += 1;
                    self.may_retry(retries, &failure.error, attempts, now)
                }
            };
            if !again || call.deadline.is_some_and(|deadline| deadline <= now) {
                return Err(failure.error);
            }
            avoid = Some(node);
        }
    }

    /// Sends the call to one node, and notes how that went.
    async fn attempt(&self, node: &Arc<Node<T::Connection>>, call: &Call<M>, now: Instant) -> Result<T::Reply, Failure> {
        let in_flight = node.begin(now);
        let sending = self.transport.send(node.connection(), call);
        let result = match call.deadline {
            None => sending.await,
            Some(deadline) => {
                let limited = self.ticker.clone().limit(deadline, sending);
                limited.await.unwrap_or_else(|_| Err(timed_out(node.address())))
            }
        };
        let outcome = result.as_ref().map_or_else(|failure| failure.outcome, |_| CallOutcome::Good);
        if let Some(failures) = in_flight.end(outcome) {
            self.nodes.failed(node, failures, Instant::now());
        }
        result
    }

    /// The node for the next attempt, and whether no other would be better. Not the one to avoid, if there is another.
    fn pick(
        &self,
        picker: &dyn Picker<T::Connection>,
        now: Instant,
        avoid: Option<&Arc<Node<T::Connection>>>,
    ) -> Option<(Arc<Node<T::Connection>>, bool)> {
        let rotation = self.nodes.rotation(now);
        if rotation.nodes.is_empty() {
            return None;
        }
        let picked = picker.pick(&rotation, now, &mut Rng::new());
        let picked = match avoid {
            Some(avoid) if Arc::ptr_eq(avoid, &rotation.nodes[picked]) => (picked + 1) % rotation.nodes.len(),
            _ => picked,
        };
        Some((Arc::clone(&rotation.nodes[picked]), rotation.all_down))
    }

    /// Whether a call that failed after `attempts` may be tried again. A call that ran into its deadline is not: nobody waits for it.
    fn may_retry(&self, retries: &Retries, error: &Error, attempts: u8, now: Instant) -> bool {
        retries.enabled && matches!(error.code, 500 | 503) && attempts < retries.max_attempts && self.budget.withdraw(now)
    }
}

fn timed_out(address: &str) -> Failure {
    let mut error = Error::TIMEOUT;
    error.metadata.insert("instance".to_owned(), address.to_owned());
    Failure { error, outcome: CallOutcome::TimedOut }
}
