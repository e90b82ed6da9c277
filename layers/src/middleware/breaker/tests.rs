use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::advance;
use tower::ServiceExt;

use super::*;
use crate::Kind;

const FAILURE: Error = Error::new(500, "random error", "random error");

/// A service behind a breaker, whose share of failures the test sets; calls go out at a rate, in virtual time.
struct World {
    layer: BreakerLayer,
    metrics: BreakerMetrics,
    rng: fastrand::Rng,
    /// How long replies take, and those on their way.
    latency: Duration,
    replies: VecDeque<(Instant, Admission, bool)>,
}

/// What became of the calls of a while.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Seen {
    admitted: u64,
    rejected: u64,
}

impl World {
    fn new(mode: Mode) -> Self {
        Self::with(BreakerSettings { mode, ..BreakerSettings::default() }, 7)
    }

    fn with(settings: BreakerSettings, seed: u64) -> Self {
        let metrics = BreakerMetrics::new(&prometheus::Registry::new(), "test").expect("registers");
        let layer = BreakerLayer::new(settings, metrics.clone());
        Self { layer, metrics, rng: fastrand::Rng::with_seed(seed), latency: Duration::ZERO, replies: VecDeque::new() }
    }

    /// A bounded breaker of this ratio, with replies after 10 ms, open since an outage of some seconds.
    async fn after_an_outage(ratio: f64, seed: u64, rate: u64) -> Self {
        let settings = BreakerSettings { success_ratio: ratio, ..BreakerSettings::default() };
        let mut world = Self { latency: Duration::from_millis(10), ..Self::with(settings, seed) };
        world.run(rate, 4.0 + 0.037 * seed as f64, 1.0).await;
        assert_eq!(world.layer.open(), ["/op"]);
        world
    }

    fn circuit(&self) -> Arc<Circuit> {
        self.layer.breakers.circuit("/op")
    }

    /// Calls at `rate` a second for `seconds`, of which a share `f` fail.
    async fn run(&mut self, rate: u64, seconds: f64, f: f64) -> Seen {
        let mut seen = Seen::default();
        for _ in 0..(rate as f64 * seconds) as u64 {
            advance(Duration::from_secs(1) / rate as u32).await;
            let circuit = self.circuit();
            match circuit.admit(Instant::now(), self.rng.f64()) {
                None => seen.rejected += 1,
                Some(admission) => {
                    seen.admitted += 1;
                    self.replies.push_back((Instant::now() + self.latency, admission, self.rng.f64() >= f));
                }
            }
            while let Some((_, admission, success)) = self.replies.pop_front_if(|(at, ..)| *at <= Instant::now()) {
                circuit.done(&admission, Some(success), Instant::now());
            }
        }
        seen
    }

    /// Seconds of healthy service until the breaker admits `share` of the calls in a quarter of a second.
    async fn recovery(&mut self, rate: u64, share: f64) -> f64 {
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(60) {
            let seen = self.run(rate, 0.25, 0.0).await;
            if seen.admitted as f64 >= share * (seen.admitted + seen.rejected) as f64 {
                break;
            }
        }
        begun.elapsed().as_secs_f64()
    }

    fn transitions(&self) -> (u64, u64) {
        let to = |to| self.metrics.transitions.with_label_values(&["/op", to]).get();
        (to("open"), to("closed"))
    }
}

/// Expected is 1 / (1 - K (1 - f)) in a window of 2.85 s on average, nine whole buckets and half of the current one.
#[tokio::test(start_paused = true)]
async fn kratos_admits_a_third_of_a_call_a_second_in_a_total_outage_and_two_at_half() {
    for (f, expected) in [(1.0, 0.3..0.4), (0.5, 1.6..2.6)] {
        let mut world = World::new(Mode::Kratos);
        world.run(200, 60.0, f).await;
        let rate = world.run(200, 2000.0, f).await.admitted as f64 / 2000.0;
        assert!(expected.contains(&rate), "{rate} a second at f = {f}");
    }
}

#[tokio::test(start_paused = true)]
async fn kratos_needs_ten_to_twenty_seconds_and_more_to_recover() {
    for (rate, expected) in [(200, 10.0..20.0), (2000, 14.0..24.0)] {
        let (mut half, mut all) = (0.0, 0.0);
        for seed in 0..8 {
            let mut world = World::with(BreakerSettings { mode: Mode::Kratos, ..BreakerSettings::default() }, seed);
            world.run(rate, 20.0, 1.0).await;
            half += world.recovery(rate, 0.5).await / 8.0;
            all = half + world.recovery(rate, 0.99).await / 8.0;
        }
        assert!(expected.contains(&half) && all > half, "{half} s to half of the calls, {all} s to all, at {rate} a second");
    }
}

#[tokio::test(start_paused = true)]
async fn bounded_passes_only_the_probes_while_the_outage_lasts() {
    let mut world = World::new(Mode::Bounded);
    world.run(1000, 5.0, 1.0).await;
    assert_eq!(world.layer.open(), ["/op"]);
    let seen = world.run(1000, 60.0, 1.0).await;
    assert!((299..=301).contains(&seen.admitted), "{seen:?}");
    assert_eq!(world.transitions(), (1, 0));
    assert_eq!(world.metrics.state.with_label_values(&["/op"]).get(), 1);
    assert!(world.metrics.rejections.with_label_values(&["/op"]).get() >= seen.rejected);
}

#[tokio::test(start_paused = true)]
async fn bounded_recovers_within_two_seconds_at_any_rate() {
    for rate in [50, 200, 2000, 20_000] {
        let mut world = World::new(Mode::Bounded);
        world.run(rate, 10.0, 1.0).await;
        let took = world.recovery(rate, 0.99).await;
        assert!(took < 2.0, "{took} s at {rate} a second");
        let seen = world.run(rate, 10.0, 0.0).await;
        assert_eq!(seen.rejected, 0, "opened again without a failure");
        assert_eq!(world.transitions(), (1, 1));
        assert!(world.layer.open().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn neither_mode_opens_below_the_ratio_or_the_minimum() {
    for mode in [Mode::Kratos, Mode::Bounded] {
        let mut world = World::new(mode);
        assert!(world.run(1000, 20.0, 0.3).await.rejected < 20, "{mode:?}");
        let mut world = World::new(mode);
        assert_eq!(world.run(30, 20.0, 1.0).await.rejected, 0, "fewer than 100 calls in 3 s: {mode:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_canceled_probe_costs_its_turn_and_no_more() {
    let mut world = World::new(Mode::Bounded);
    world.run(1000, 3.0, 1.0).await;
    let circuit = world.circuit();
    advance(Duration::from_millis(200)).await;
    let probe = circuit.admit(Instant::now(), 0.0).expect("a probe is due");
    assert!(circuit.admit(Instant::now(), 0.0).is_none());
    circuit.done(&probe, None, Instant::now());
    assert!(circuit.admit(Instant::now(), 0.0).is_none(), "or callers that give up early would probe without bound");
    advance(Duration::from_millis(200)).await;
    assert!(circuit.admit(Instant::now(), 0.0).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_ends_after_the_breaker_has_closed_and_opened_again_means_nothing() {
    let mut world = World::new(Mode::Bounded);
    world.run(1000, 3.0, 1.0).await;
    let circuit = world.circuit();
    advance(Duration::from_millis(200)).await;
    let late = circuit.admit(Instant::now(), 0.0).expect("a probe is due");
    world.recovery(1000, 0.99).await;
    world.run(1000, 3.0, 1.0).await;
    advance(Duration::from_millis(200)).await;
    let probe = circuit.admit(Instant::now(), 0.0).expect("a probe is due");
    circuit.done(&late, Some(true), Instant::now());
    advance(Duration::from_millis(100)).await;
    assert!(circuit.admit(Instant::now(), 0.0).is_none(), "nothing speaks for the service");
    circuit.done(&probe, Some(true), Instant::now());
    assert!(circuit.admit(Instant::now(), 0.0).is_some(), "twice as often, since a probe has succeeded");
}

/// Calls into a service whose success is 0.1 below the ratio, whatever the rate. Today's rule of many breakers, a run of successes, lets
/// 16 through at a ratio of 0.6 and some dozens at 0.9.
#[tokio::test(start_paused = true)]
async fn u7_few_calls_go_into_a_service_that_fails_too_much() {
    for (ratio, rate, seconds) in
        [(0.6, 50, 400.0), (0.6, 200, 200.0), (0.6, 1000, 60.0), (0.6, 20_000, 6.0), (0.4, 200, 100.0), (0.9, 200, 100.0)]
    {
        let mut world = World::after_an_outage(ratio, 1, rate).await;
        let calls = world.run(rate, seconds, 1.1 - ratio).await.admitted as f64 / seconds;
        assert!(calls < 15.0, "{calls} a second of {rate} at a ratio of {ratio}");
    }
}

#[tokio::test(start_paused = true)]
async fn u7_two_seconds_after_an_outage_all_calls_pass_at_any_ratio() {
    for (ratio, rate) in [(0.05, 200), (0.4, 200), (0.6, 50), (0.6, 1000), (0.6, 20_000), (0.9, 200), (0.95, 1000)] {
        for seed in 0..5 {
            let mut world = World::after_an_outage(ratio, seed, rate).await;
            world.run(rate, 2.0, 0.0).await;
            assert_eq!(world.run(rate, 1.0, 0.0).await.rejected, 0, "{rate} a second at a ratio of {ratio}, seed {seed}");
            assert_eq!(world.transitions(), (1, 1));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn u7_a_success_of_a_tenth_above_the_ratio_closes_it_within_six_seconds_mostly() {
    for (ratio, rate) in [(0.4, 50), (0.6, 50), (0.6, 1000), (0.9, 50)] {
        let mut closed = 0;
        for seed in 0..40 {
            let mut world = World::after_an_outage(ratio, seed, rate).await;
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_secs(6) && !world.layer.open().is_empty() {
                world.run(rate, 0.1, 0.9 - ratio).await;
            }
            closed += u32::from(world.layer.open().is_empty());
        }
        assert!(closed >= 36, "{closed} of 40 runs at a ratio of {ratio} and {rate} a second");
    }
}

/// However many probes there are from the start.
#[tokio::test(start_paused = true)]
async fn u7_a_recovering_service_is_never_hit_by_everything_at_once() {
    for probes_per_second in [1, 5, 200] {
        let mut world = World::after_an_outage(0.6, 3, 5000).await;
        world.layer.configure(BreakerSettings { probes_per_second, ..BreakerSettings::default() });
        let (mut before, mut passes) = (0, 0);
        for _ in 0..100 {
            passes = world.run(5000, 0.1, 0.0).await.admitted;
            assert!(passes <= 2 * before + 70, "{before} calls in 100 ms and {passes} in the next, {probes_per_second} probes a second");
            before = passes;
        }
        assert_eq!(passes, 500);
    }
}

/// The rate rises with what is known, not with time: once it has full evidence, at most twice as many calls go out as there were replies.
#[tokio::test(start_paused = true)]
async fn u7_slow_replies_make_slower_steps() {
    let mut world = World::after_an_outage(0.6, 3, 1000).await;
    world.latency = Duration::from_millis(800);
    let mut before = 0;
    for _ in 0..20 {
        let passes = world.run(1000, 0.8, 0.0).await.admitted;
        assert!(passes <= 2 * before + 150, "{before} calls in 0.8 s and {passes} in the next");
        before = passes;
    }
    assert!(world.layer.open().is_empty());
}

#[tokio::test(start_paused = true)]
async fn u7_a_relapse_takes_it_back_to_the_probes_without_a_hundred_calls() {
    for healthy in [0.2, 0.4, 0.6, 0.8] {
        let mut world = World::after_an_outage(0.6, 3, 5000).await;
        world.run(5000, healthy, 0.0).await;
        let relapse = world.run(5000, 1.0, 1.0).await;
        assert!(relapse.admitted < 90, "{relapse:?} after {healthy} s");
        assert_eq!(world.layer.open(), ["/op"]);
    }
}

#[tokio::test(start_paused = true)]
async fn u7_where_every_call_has_to_succeed_few_pass_while_one_in_thirty_fails() {
    let mut world = World::after_an_outage(1.0, 3, 200).await;
    let calls = world.run(200, 60.0, 1.0 / 30.0).await;
    assert!(calls.admitted < calls.rejected / 3, "{calls:?}");
    world.run(200, 3.0, 0.0).await;
    assert_eq!(world.run(200, 3.0, 0.0).await.rejected, 0);
}

/// As the tutorial does it: another ratio judges the same service.
#[tokio::test(start_paused = true)]
async fn u7_an_open_breaker_closes_once_the_ratio_in_force_is_met() {
    let mut world = World::after_an_outage(0.6, 3, 1000).await;
    world.run(1000, 5.0, 0.5).await;
    assert_eq!(world.layer.open(), ["/op"]);
    world.layer.configure(BreakerSettings { success_ratio: 0.4, ..BreakerSettings::default() });
    world.run(1000, 6.0, 0.5).await;
    assert!(world.layer.open().is_empty());
    assert_eq!(world.run(1000, 20.0, 0.5).await.rejected, 0);
}

#[tokio::test(start_paused = true)]
async fn settings_change_live() {
    let mut world = World::new(Mode::Bounded);
    world.run(1000, 3.0, 1.0).await;
    world.layer.configure(BreakerSettings { probes_per_second: 50, ..BreakerSettings::default() });
    let seen = world.run(1000, 10.0, 1.0).await;
    assert!((498..=502).contains(&seen.admitted), "still open, probed more often: {seen:?}");
    world.layer.configure(BreakerSettings { enabled: false, ..BreakerSettings::default() });
    assert_eq!(world.run(1000, 1.0, 1.0).await, Seen { admitted: 1000, rejected: 0 });
    assert!(world.layer.open().is_empty());
    world.layer.configure(BreakerSettings { minimum_requests: 10, ..BreakerSettings::default() });
    assert!(world.run(1000, 0.1, 1.0).await.rejected > 80);
}

#[tokio::test(start_paused = true)]
async fn the_layer_refuses_in_call_and_counts_by_operation() {
    let world = World::new(Mode::Bounded);
    let calls = Arc::new(AtomicU64::new(0));
    let inner = Arc::clone(&calls);
    let service = world.layer.layer(tower::service_fn(move |call: Call<()>| {
        inner.fetch_add(1, Relaxed);
        ready(if call.operation == "/bad" { Err(FAILURE) } else { Ok(()) })
    }));
    let mut replies = Vec::new();
    for i in 0..400 {
        let operation = if i % 2 == 0 { "/bad" } else { "/good" };
        replies.push((operation, service.clone().oneshot(Call::new(Kind::Grpc, operation, ())).await));
    }
    assert!(replies.iter().all(|(operation, reply)| *operation == "/bad" || reply.is_ok()));
    let refused = replies.iter().filter(|(_, reply)| *reply == Err(Error::CIRCUITBREAKER)).count();
    assert_eq!((refused, calls.load(Relaxed)), (100, 300));
}

#[tokio::test(start_paused = true)]
async fn canceled_and_panicking_calls_mark_nothing() {
    let world = World::new(Mode::Bounded);
    let hanging = world.layer.layer(tower::service_fn(|_: Call<()>| std::future::pending::<Result<(), Error>>()));
    for _ in 0..500 {
        let _ = tokio::time::timeout(Duration::from_millis(1), hanging.clone().oneshot(Call::new(Kind::Grpc, "/op", ()))).await;
    }
    let panicking = world.layer.layer(tower::service_fn(|_: Call<()>| async { panic!("on purpose") as Result<(), Error> }));
    for _ in 0..500 {
        tokio::spawn(panicking.clone().oneshot(Call::new(Kind::Grpc, "/op", ()))).await.expect_err("panics");
    }
    assert!(world.layer.open().is_empty());
    assert!(world.circuit().admit(Instant::now(), 0.0).is_some());
}
