//! Two threads at a time, in every order of their steps.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::*;
use crate::sync::explore;

/// Longer than the time between two probes, and than a stage.
const PAUSE: Duration = Duration::from_millis(250);

/// The breaker of one operation, open, with one probe on its way that succeeds.
struct World {
    breaker: BreakerLayer,
    circuit: Arc<Circuit>,
    metrics: BreakerMetrics,
    probe: Admission,
    now: Instant,
}

fn breaker(minimum_requests: u32) -> (BreakerLayer, BreakerMetrics) {
    let metrics = BreakerMetrics::new(&prometheus::Registry::new(), "test").expect("registers");
    (BreakerLayer::new(BreakerSettings { minimum_requests, ..BreakerSettings::default() }, metrics.clone()), metrics)
}

impl World {
    /// A breaker that so many failures opened, after so many probes that succeeded. None if these have closed it.
    fn after(failures: u32, probes: u32) -> Option<Self> {
        let (breaker, metrics) = breaker(failures);
        let circuit = breaker.breakers.circuit("/op");
        let mut now = Instant::now();
        for _ in 0..failures {
            let admission = circuit.admit(now, 0.0).expect("closed");
            circuit.done(&admission, Some(false), now);
        }
        for _ in 0..probes {
            now += PAUSE;
            let probe = circuit.admit(now, 0.0).expect("a probe is due");
            circuit.done(&probe, Some(true), now);
        }
        now += PAUSE;
        let probe = circuit.is_open().then(|| circuit.admit(now, 0.0).expect("a probe is due"))?;
        Some(Self { breaker, circuit, metrics, probe, now })
    }

    /// How many probes have to succeed until the breaker closes.
    fn closed_by() -> u32 {
        (1..100).find(|probes| Self::after(1, *probes).is_none()).expect("it closes")
    }

    fn probe_succeeds(&self) {
        self.circuit.done(&self.probe, Some(true), self.now);
    }

    /// A call at that time ends, if the breaker lets it pass.
    fn call(&self, success: bool, at: Instant) {
        if let Some(admission) = self.circuit.admit(at, 0.0) {
            self.circuit.done(&admission, Some(success), at);
        }
    }
}

#[test]
fn p3_a_failure_right_after_the_breaker_closed_is_not_judged_by_the_outage() {
    let closed_by = World::closed_by();
    // The probe on its way begins the ramp, and the one after it closes the breaker.
    let begin = || World::after(10, closed_by - 2).expect("open");
    let close_and_fail = |world: &World| {
        world.call(true, world.now + PAUSE);
        world.call(false, world.now + PAUSE);
    };
    let closed = std::sync::atomic::AtomicU32::new(0);
    explore(begin, &[&World::probe_succeeds, &close_and_fail], |world| {
        closed.fetch_add((!world.circuit.is_open_for_calls()).into(), Relaxed);
        let opened = world.metrics.transitions.with_label_values(&["/op", "open"]).get();
        assert_eq!(opened, 1, "three replies are below the minimum of ten");
    });
    assert!(closed.into_inner() > 0, "there are orders in which it closes");
}

#[test]
fn p3_the_metric_is_what_calls_find_whoever_tells_of_a_transition_last() {
    let closed_by = World::closed_by();
    let begin = || World::after(1, closed_by - 1).expect("open");
    let fail = |world: &World| (0..2).for_each(|_| world.call(false, world.now));
    let opened_again = std::sync::atomic::AtomicU32::new(0);
    explore(begin, &[&World::probe_succeeds, &fail], |world| {
        let [opened, closed] = ["open", "closed"].map(|to| world.metrics.transitions.with_label_values(&["/op", to]).get());
        opened_again.fetch_add((opened > 1).into(), Relaxed);
        let open = world.circuit.is_open_for_calls();
        let gauge = world.metrics.state.with_label_values(&["/op"]).get() == 1;
        assert_eq!((gauge, !world.breaker.open().is_empty(), opened - closed == 1), (open, open, open));
    });
    assert!(opened_again.into_inner() > 0, "there are orders in which it closes and opens");
}

#[test]
fn p3_settings_reach_a_breaker_that_is_being_made() {
    let off = BreakerSettings { enabled: false, minimum_requests: 1, ..BreakerSettings::default() };
    let make = |breaker: &BreakerLayer| drop(breaker.breakers.circuit("/op"));
    explore(
        || breaker(1).0,
        &[&make, &|breaker| breaker.configure(off)],
        |breaker| {
            let (circuit, now) = (breaker.breakers.circuit("/op"), Instant::now());
            (0..10).for_each(|_| circuit.done(&circuit.admit(now, 0.0).expect("it is off"), Some(false), now));
        },
    );
}

#[test]
fn p3_no_more_than_one_probe_passes_each_interval() {
    type Shared = bounded::Bounded;
    let at = |ms: u64| ms * 1_000_000;
    let interval = at(200);
    let closed = bounded::CircuitState::unpack(0);
    let opens_and_probes = |bounded: &Shared| {
        let _ = bounded.open(closed, at(1000));
        assert!(!bounded.probe(bounded.state(), at(1100), interval), "it opened at 1000 ms, or was open then");
    };
    // Both see too many failures; this one was held up since 800 ms.
    let opens_late = |bounded: &Shared| {
        let _ = bounded.open(closed, at(800));
    };
    explore(Shared::default, &[&opens_and_probes, &opens_late], |bounded| assert!(bounded.state().open));
}
