//! Balancers to compare: this crate's P2C as it is, Kratos' by its formulas, and chance.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::Instant;
use user_info_layers::balance::{
    CallOutcome, Connection, ConnectionState, Endpoint, InFlight, InstanceMetrics, NodeSet, OutlierEjection, P2c, Picker, Rotation,
    Staleness,
};

/// Picks one of some instances for each call. Its time is the one passed in, which is also tokio's.
pub(crate) trait Balancer {
    /// The instance for the next call, which begins.
    fn begin(&mut self, now: Instant, rng: &mut Rng) -> (usize, Begun);
    /// A call has ended.
    fn end(&mut self, instance: usize, begun: Begun, success: bool, now: Instant);
}

/// A call in flight.
#[derive(Debug)]
pub(crate) enum Begun {
    Here(InFlight<Wire>),
    At(Instant),
}

/// A connection that is always up.
#[derive(Debug)]
pub(crate) struct Wire;

impl Connection for Wire {
    fn state(&self) -> ConnectionState {
        ConnectionState::Up
    }

    fn suspect(&self) {}
}

/// The P2C of this crate.
pub(crate) struct Here(Arc<Rotation<Wire>>);

impl Here {
    pub(crate) fn new(instances: usize) -> Self {
        let metrics = InstanceMetrics::new(&prometheus::Registry::new(), "simulation").expect("a new registry has no metrics");
        let nodes = NodeSet::new(OutlierEjection::default(), metrics, Staleness::default(), |_: &str| Wire);
        let endpoints: Vec<_> = (0..instances).map(|i| Endpoint { address: format!("instance-{i}"), weight: 100 }).collect();
        nodes.update(&endpoints, Instant::now());
        Self(Arc::clone(&nodes.rotation(Instant::now())))
    }
}

impl Balancer for Here {
    fn begin(&mut self, now: Instant, rng: &mut Rng) -> (usize, Begun) {
        let picked = P2c.pick(&self.0, now, rng);
        (picked, Begun::Here(self.0.nodes[picked].begin(now)))
    }

    fn end(&mut self, _: usize, begun: Begun, success: bool, _: Instant) {
        if let Begun::Here(in_flight) = begun {
            in_flight.end(if success { CallOutcome::Good } else { CallOutcome::Answered(503) });
        }
    }
}

/// Any instance.
pub(crate) struct Chance(pub(crate) usize);

impl Balancer for Chance {
    fn begin(&mut self, now: Instant, rng: &mut Rng) -> (usize, Begun) {
        (rng.usize(..self.0), Begun::At(now))
    }

    fn end(&mut self, _: usize, _: Begun, _: bool, _: Instant) {}
}

/// P2C with the formulas of Kratos 2.9: the better of two, by figures that are looked at anew each 5 ms.
pub(crate) struct Kratos(Vec<Node>);

#[derive(Debug, Clone)]
struct Node {
    lag: f64,
    success: f64,
    updated: Option<Instant>,
    picked: Option<Instant>,
    starts: Vec<Instant>,
    weight: Option<(Instant, f64)>,
}

impl Kratos {
    pub(crate) fn new(instances: usize) -> Self {
        Self(vec![Node { lag: 0.0, success: 1000.0, updated: None, picked: None, starts: Vec::new(), weight: None }; instances])
    }
}

impl Node {
    fn weight(&mut self, now: Instant) -> f64 {
        if let Some((at, weight)) = self.weight
            && now - at < Duration::from_millis(5)
        {
            return weight;
        }
        let ages = self.starts.iter().map(|start| (now - *start).as_nanos() as f64);
        let late: Vec<_> = ages.filter(|age| *age > self.lag).collect();
        let predicted = if late.len() > self.starts.len() / 2 { late.iter().sum::<f64>() / late.len() as f64 } else { 0.0 };
        let cost = if self.lag == 0.0 { 1e5 } else { (self.lag.max(predicted) + 5e6).sqrt().floor() };
        let weight = self.success * 1e4 / (cost * (self.starts.len() + 1) as f64);
        self.weight = Some((now, weight));
        weight
    }
}

impl Balancer for Kratos {
    fn begin(&mut self, now: Instant, rng: &mut Rng) -> (usize, Begun) {
        let a = rng.usize(..self.0.len());
        let b = (a + rng.usize(1..self.0.len())) % self.0.len();
        let (better, other) = if self.0[b].weight(now) > self.0[a].weight(now) { (b, a) } else { (a, b) };
        let idle = self.0[other].picked.is_none_or(|at| now - at > Duration::from_secs(3));
        let picked = if idle { other } else { better };
        self.0[picked].picked = Some(now);
        self.0[picked].starts.push(now);
        (picked, Begun::At(now))
    }

    fn end(&mut self, instance: usize, begun: Begun, success: bool, now: Instant) {
        let Begun::At(start) = begun else { return };
        let node = &mut self.0[instance];
        if let Some(at) = node.starts.iter().position(|s| *s == start) {
            node.starts.swap_remove(at);
        }
        let age = node.updated.map_or(0.0, |at| (now - at).as_secs_f64());
        node.updated = Some(now);
        let old = if node.lag == 0.0 { 0.0 } else { (-age / 0.6).exp() };
        node.lag = node.lag * old + (now - start).as_nanos() as f64 * (1.0 - old);
        node.success = node.success * old + if success { 1000.0 } else { 0.0 } * (1.0 - old);
    }
}
