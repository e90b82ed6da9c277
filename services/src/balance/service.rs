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
use user_info_api::config::{LoadBalancing, Retries};

use super::{Link, Node, NodeSet, Picker, RetryBudget, Verdict, picker};
use crate::middleware::deadline::Ticker;
use crate::{Call, Error};

/// Most nodes that one call is offered to while none of them begins it.
const MOST_OFFERS: usize = 8;

/// Carries calls over links.
pub trait Transport<M>: Send + Sync + 'static {
    /// What it carries them over.
    type Link: Link;
    /// What comes back.
    type Reply: Send;

    /// Sends a call and waits for the reply.
    fn send(&self, link: &Self::Link, call: &Call<M>) -> impl Future<Output = Result<Self::Reply, Failure>> + Send;
}

/// Why a call did not succeed on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What the caller is told.
    pub error: Error,
    /// What it says about the node. After [`Verdict::NotBegun`] and [`Verdict::ConnectionEnded`] the call is offered to another, if there is
    /// one.
    pub verdict: Verdict,
}

/// Spreads calls over the nodes of a set.
pub struct Balance<M, T: Transport<M>> {
    shared: Arc<Shared<M, T>>,
}

struct Shared<M, T: Transport<M>> {
    nodes: Arc<NodeSet<T::Link>>,
    transport: T,
    settings: ArcSwap<Settings<T::Link>>,
    budget: RetryBudget,
    ticker: Ticker,
}

struct Settings<L> {
    balancing: LoadBalancing,
    picker: Box<dyn Picker<L>>,
    retries: Retries,
}

impl<M, T: Transport<M>> Clone for Balance<M, T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<M, T: Transport<M>> fmt::Debug for Balance<M, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.shared.settings.load();
        f.debug_struct("Balance").field("balancing", &settings.balancing).field("retries", &settings.retries).finish_non_exhaustive()
    }
}

impl<M, T: Transport<M>> Balance<M, T> {
    /// Spreads calls over `nodes` by `balancing`, and sends them with `transport`. `ticker` ends those that outlive their deadline.
    pub fn new(nodes: Arc<NodeSet<T::Link>>, transport: T, balancing: LoadBalancing, retries: Retries, ticker: Ticker) -> Self {
        let settings = ArcSwap::from_pointee(Settings { balancing, picker: picker(balancing), retries });
        Self { shared: Arc::new(Shared { nodes, transport, settings, budget: RetryBudget::new(Instant::now()), ticker }) }
    }

    /// Changes how calls are spread and retried.
    pub fn configure(&self, balancing: LoadBalancing, retries: Retries) {
        self.shared.settings.store(Arc::new(Settings { balancing, picker: picker(balancing), retries }));
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
        Box::pin(Arc::clone(&self.shared).run(call))
    }
}

impl<M: Send + Sync, T: Transport<M>> Shared<M, T> {
    async fn run(self: Arc<Self>, call: Call<M>) -> Result<T::Reply, Error> {
        let (mut now, mut offers, mut attempts, mut avoid) = (call.received, 0, 0, None);
        let settings = self.settings.load_full();
        let retries = &settings.retries;
        if retries.enabled {
            self.budget.deposit(retries.budget_percent);
        }
        loop {
            let (node, hopeless) = self.pick(&*settings.picker, now, avoid.as_ref()).ok_or(Error::NO_AVAILABLE_NODE)?;
            let failure = match self.attempt(&node, &call, now).await {
                Ok(reply) => return Ok(reply),
                Err(failure) => failure,
            };
            now = Instant::now();
            let again = match failure.verdict {
                // Each time a link has something new to say, so this ends: with the deadline at the latest.
                Verdict::ConnectionEnded if call.deadline.is_some() => true,
                Verdict::NotBegun | Verdict::ConnectionEnded => {
                    offers += 1;
                    !hopeless && offers < MOST_OFFERS
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
    async fn attempt(&self, node: &Arc<Node<T::Link>>, call: &Call<M>, now: Instant) -> Result<T::Reply, Failure> {
        let flight = node.begin(now);
        let sending = self.transport.send(node.link(), call);
        let result = match call.deadline {
            None => sending.await,
            Some(deadline) => {
                let limited = self.ticker.clone().limit(deadline, sending);
                limited.await.unwrap_or_else(|_| Err(timed_out(node.address())))
            }
        };
        let verdict = result.as_ref().map_or_else(|failure| failure.verdict, |_| Verdict::Good);
        if let Some(failures) = flight.end(verdict) {
            self.nodes.failed(node, failures, Instant::now());
        }
        result
    }

    /// The node for the next attempt, and whether no other would be better. Not the one to avoid, if there is another.
    fn pick(&self, picker: &dyn Picker<T::Link>, now: Instant, avoid: Option<&Arc<Node<T::Link>>>) -> Option<(Arc<Node<T::Link>>, bool)> {
        let rotation = self.nodes.rotation(now);
        if rotation.nodes.is_empty() {
            return None;
        }
        let picked = picker.pick(&rotation, now, &mut Rng::new());
        let picked = match avoid {
            Some(avoid) if Arc::ptr_eq(avoid, &rotation.nodes[picked]) => (picked + 1) % rotation.nodes.len(),
            _ => picked,
        };
        Some((Arc::clone(&rotation.nodes[picked]), rotation.hopeless))
    }

    /// Whether a call that failed after `attempts` may be tried again. A call that ran into its deadline is not: nobody waits for it.
    fn may_retry(&self, retries: &Retries, error: &Error, attempts: u8, now: Instant) -> bool {
        retries.enabled && matches!(error.code, 500 | 503) && attempts < retries.max_attempts && self.budget.withdraw(now)
    }
}

fn timed_out(address: &str) -> Failure {
    let mut error = Error::TIMEOUT;
    error.metadata.insert("instance".to_owned(), address.to_owned());
    Failure { error, verdict: Verdict::TimedOut }
}
