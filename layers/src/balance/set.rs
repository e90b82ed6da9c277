//! All instances that discovery knows, and the rotation of those that get calls.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock, PoisonError};

use arc_swap::Guard;
use tokio::time::Instant;

use super::eject::{Record, may_eject};
use super::turns::turns;
use super::{Connection, ConnectionState, InstanceMetrics, Node, OutlierEjection};
use crate::sync::{ArcSwap, AtomicBool, Mutex};

/// Where an instance is called, as discovery gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// `host:port` of gRPC.
    pub address: String,
    /// Share of the calls under weighted round-robin.
    pub weight: u32,
}

/// Tells a [`NodeSet`] that the state of a connection has changed.
#[derive(Debug, Clone, Default)]
pub struct Staleness(Arc<AtomicBool>);

impl Staleness {
    /// The rotation is to be made anew before the next pick.
    pub fn mark(&self) {
        self.0.store(true, Ordering::Release);
    }

    fn clear(&self) -> bool {
        // Mostly false: a load leaves the cache line shared.
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::AcqRel)
    }
}

/// Nodes to pick from.
#[derive(Debug)]
pub struct Rotation<C> {
    /// The nodes, in the order of discovery.
    pub nodes: Vec<Arc<Node<C>>>,
    /// Whether none of them is connected, nor about to be: a call will fail at once, and so will another.
    pub all_down: bool,
    /// When an ejected node returns.
    until: Option<Instant>,
    turns: OnceLock<Vec<usize>>,
}

impl<C> Rotation<C> {
    const fn new(nodes: Vec<Arc<Node<C>>>, all_down: bool, until: Option<Instant>) -> Self {
        Self { nodes, all_down, until, turns: OnceLock::new() }
    }

    /// Indexes of the nodes in the order of weighted round-robin, up to where it repeats; worked out when first asked for.
    pub(super) fn turns(&self) -> &[usize] {
        self.turns.get_or_init(|| turns(&self.nodes.iter().map(|node| node.weight()).collect::<Vec<_>>()))
    }
}

/// A node and what the set notes about it.
struct Member<C> {
    node: Arc<Node<C>>,
    record: Record,
}

/// All instances that discovery knows. Nodes are kept by address, so that their state outlives updates.
pub struct NodeSet<C> {
    connect: Box<dyn Fn(&str) -> C + Send + Sync>,
    metrics: InstanceMetrics,
    settings: ArcSwap<OutlierEjection>,
    members: Mutex<Vec<Member<C>>>,
    rotation: ArcSwap<Rotation<C>>,
    stale: Staleness,
}

impl<C> fmt::Debug for NodeSet<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeSet").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl<C: Connection> NodeSet<C> {
    /// An empty set. `connect` makes the connection to a new node's address; the connections mark `stale` when their state changes.
    pub fn new(
        settings: OutlierEjection,
        metrics: InstanceMetrics,
        stale: Staleness,
        connect: impl Fn(&str) -> C + Send + Sync + 'static,
    ) -> Self {
        Self {
            connect: Box::new(connect),
            metrics,
            settings: ArcSwap::from_pointee(settings.clamped()),
            members: Mutex::new(Vec::new()),
            rotation: ArcSwap::from_pointee(Rotation::new(Vec::new(), true, None)),
            stale,
        }
    }

    /// Puts other rules of ejection in force. With ejection off, all that are out return.
    pub fn configure(&self, settings: OutlierEjection) {
        let mut members = self.lock();
        if !settings.enabled {
            members.iter_mut().for_each(|m| m.record = Record::default());
        }
        self.settings.store(Arc::new(settings.clamped()));
        self.stale.mark();
    }

    /// Takes over what discovery found: known addresses keep their node, new ones get one, the others are dropped.
    pub fn update(&self, endpoints: &[Endpoint], now: Instant) {
        let mut members = self.lock();
        let mut old: HashMap<String, Member<C>> = members.drain(..).map(|m| (m.node.address().to_owned(), m)).collect();
        for endpoint in endpoints {
            let known = old.remove(&endpoint.address);
            if known.is_none() && members.iter().any(|m: &Member<C>| m.node.address() == endpoint.address) {
                continue;
            }
            let member = known.unwrap_or_else(|| self.member(endpoint, now));
            member.node.set_weight(endpoint.weight);
            members.push(member);
        }
        for (address, gone) in old {
            gone.node.meter.retire();
            self.metrics.remove(&address);
        }
        self.metrics.known.set(i64::try_from(members.len()).unwrap_or(i64::MAX));
        self.rebuild(&members, now);
    }

    fn member(&self, endpoint: &Endpoint, now: Instant) -> Member<C> {
        let address = &endpoint.address;
        let node = Node::new(address, endpoint.weight, (self.connect)(address), self.metrics.instance(address), now);
        Member { node: Arc::new(node), record: Record::default() }
    }

    /// The nodes that may be picked now. Empty only if none is known.
    pub fn rotation(&self, now: Instant) -> Guard<Arc<Rotation<C>>> {
        let rotation = self.rotation.load();
        let expired = rotation.until.is_some_and(|until| until <= now);
        if !self.stale.clear() && !expired {
            return rotation;
        }
        drop(rotation);
        self.rebuild(&self.lock(), now);
        self.rotation.load()
    }

    /// All nodes that discovery knows, each with whether it is in the rotation now.
    pub fn all(&self, now: Instant) -> Vec<(Arc<Node<C>>, bool)> {
        let healthy = |m: &Member<C>| m.node.connection().state() == ConnectionState::Up && m.record.out_until(now).is_none();
        self.lock().iter().map(|m| (Arc::clone(&m.node), healthy(m))).collect()
    }

    /// Takes note of the `failures` in a row that `node` has now; takes it out if they are too many and enough others remain.
    pub fn failed(&self, node: &Node<C>, failures: u32, now: Instant) {
        let too_many = |settings: &OutlierEjection, failures| settings.enabled && failures >= settings.consecutive_failures;
        if !too_many(&self.settings.load(), failures) {
            return;
        }
        let mut members = self.lock();
        // Others may have changed the settings, ejected it, or had an answer from it, before this thread had the lock.
        let (settings, failures) = (self.settings.load(), node.failures());
        if !too_many(&settings, failures) {
            return;
        }
        let out = members.iter().filter(|m| m.record.out_until(now).is_some()).count();
        let may = may_eject(&settings, members.len(), out);
        let member = members.iter_mut().find(|m| std::ptr::eq(&*m.node, node) && m.record.out_until(now).is_none());
        if let Some(member) = member.filter(|_| may) {
            member.record = member.record.eject(&settings, now);
            member.node.absolve();
            member.node.connection().suspect();
            self.metrics.ejections.inc();
            self.rebuild(&members, now);
            tracing::warn!(instance = node.address(), failures, "instance ejected");
        }
    }

    /// Makes the rotation: the nodes that are up and not ejected; if there are none, all that may still answer; if none, all.
    fn rebuild(&self, members: &[Member<C>], now: Instant) {
        let select =
            |wanted: &dyn Fn(&Member<C>) -> bool| -> Vec<_> { members.iter().filter(|m| wanted(m)).map(|m| Arc::clone(&m.node)).collect() };
        let mut nodes = select(&|m| m.node.connection().state() == ConnectionState::Up && m.record.out_until(now).is_none());
        self.metrics.in_rotation.set(i64::try_from(nodes.len()).unwrap_or(i64::MAX));
        if nodes.is_empty() {
            nodes = select(&|m| m.node.connection().state() != ConnectionState::Down);
        }
        let all_down = nodes.is_empty();
        if all_down {
            nodes = select(&|_| true);
        }
        let until = members.iter().filter_map(|m| m.record.out_until(now)).min();
        self.rotation.store(Arc::new(Rotation::new(nodes, all_down, until)));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Member<C>>> {
        // Every change of the list is complete, whatever panics after it.
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
