//! Two threads at a time, in every order of their steps.

use super::*;
use crate::sync::{AtomicBool, explore};
use std::sync::Arc;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::Duration;
use tokio::time::Instant;

/// A connection whose state the test sets.
#[derive(Debug, Clone, Default)]
struct Wire(Arc<AtomicBool>);

impl Connection for Wire {
    fn state(&self) -> ConnectionState {
        if self.0.load(Acquire) { ConnectionState::Down } else { ConnectionState::Up }
    }

    fn suspect(&self) {}
}

struct World {
    registry: prometheus::Registry,
    stale: Staleness,
    nodes: NodeSet<Wire>,
    now: Instant,
}

fn endpoint(address: &str) -> Endpoint {
    Endpoint { address: address.to_owned(), weight: 1 }
}

impl World {
    /// Three instances, of which one failure in a row ejects one.
    fn new() -> Self {
        let (registry, stale, now) = (prometheus::Registry::new(), Staleness::default(), Instant::now());
        let metrics = InstanceMetrics::new(&registry, "test").expect("registers");
        let settings = OutlierEjection { enabled: true, consecutive_failures: 1, ..OutlierEjection::default() };
        let nodes = NodeSet::new(settings, metrics, stale.clone(), |_: &str| Wire::default());
        nodes.update(&["a", "b", "c"].map(endpoint), now);
        Self { registry, stale, nodes, now }
    }

    fn node(&self) -> Arc<Node<Wire>> {
        Arc::clone(&self.nodes.all(self.now)[0].0)
    }

    fn time_out(&self) {
        let node = self.node();
        if let Some(failures) = node.begin(self.now).end(CallOutcome::TimedOut) {
            self.nodes.failed(&node, failures, self.now);
        }
    }

    fn in_rotation(&self) -> usize {
        self.nodes.rotation(self.now).nodes.len()
    }
}

#[test]
fn p3_once_ejection_is_off_nobody_is_out() {
    let off = |world: &World| world.nodes.configure(OutlierEjection { enabled: false, ..OutlierEjection::default() });
    explore(World::new, &[&World::time_out, &off], |world| assert_eq!(world.in_rotation(), 3));
}

#[test]
fn p3_of_two_who_find_an_instance_out_of_order_one_ejects_it() {
    explore(World::new, &[&World::time_out, &World::time_out], |world| {
        assert_eq!(
            world.nodes.rotation(world.now + OutlierEjection::default().base_ejection_time).nodes.len(),
            3,
            "for no longer than once"
        );
        assert_eq!(world.nodes.all(world.now).iter().filter(|(_, healthy)| !healthy).count(), 1);
    });
}

#[test]
fn p3_a_connection_that_went_down_is_out_of_the_next_rotation() {
    let down = |world: &World| {
        world.node().connection().0.store(true, Release);
        world.stale.mark();
    };
    let pick = |world: &World| assert!(world.in_rotation() >= 2);
    explore(World::new, &[&down, &pick], |world| assert_eq!(world.in_rotation(), 2));
}

#[test]
fn p3_an_instance_that_is_gone_leaves_no_series() {
    let answer = |world: &World| {
        if let Some((node, _)) = world.nodes.all(world.now).first().filter(|(node, _)| node.address() == "a") {
            node.begin(world.now).end(CallOutcome::Answered(500));
        }
    };
    let gone = |world: &World| world.nodes.update(&["b", "c"].map(endpoint), world.now);
    explore(World::new, &[&answer, &gone], |world| {
        let text = prometheus::TextEncoder::new().encode_to_string(&world.registry.gather()).expect("encodes");
        assert!(!text.contains("instance=\"a\"") && text.contains("instance=\"b\""), "{text}");
    });
}

#[test]
fn p3_calls_lost_with_a_connection_count_once_in_whatever_order_they_end() {
    let world = World::new();
    let node = world.node();
    let failures = [7, 8, 7, 8, 7, 9].map(|connection| node.begin(world.now).end(CallOutcome::Disconnected(connection)));
    assert_eq!(failures, [Some(1), Some(2), None, None, None, Some(3)]);
}

#[test]
fn p3_an_older_look_at_the_clock_brings_no_ejected_instance_back() {
    let world = World::new();
    world.time_out();
    let before = world.now - Duration::from_millis(8);
    world.stale.mark();
    assert_eq!((world.nodes.rotation(before).nodes.len(), world.in_rotation()), (2, 2));
}
