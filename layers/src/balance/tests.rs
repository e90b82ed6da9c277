use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tower::ServiceExt;

use super::*;
use crate::ticker::Ticker;
use crate::{Call, Error, Kind};

/// A connection whose state the test sets, and what the instance behind it does with calls.
#[derive(Debug)]
struct Wire {
    address: String,
    state: Mutex<ConnectionState>,
    suspected: AtomicBool,
    behaviour: Mutex<Behaviour>,
}

#[derive(Debug, Clone)]
enum Behaviour {
    /// Answers after some milliseconds.
    Answers(u64),
    Fails(Error),
    Hangs,
    /// Its connection is refused; the connection notices when a call is sent.
    Refuses,
}

impl Connection for Arc<Wire> {
    fn state(&self) -> ConnectionState {
        *self.state.lock().unwrap()
    }

    fn suspect(&self) {
        self.suspected.store(true, Relaxed);
    }
}

/// Instances by address, a set of nodes over them, and a way to call them.
struct World {
    wires: Arc<Mutex<HashMap<String, Arc<Wire>>>>,
    nodes: Arc<NodeSet<Arc<Wire>>>,
    stale: Staleness,
    registry: prometheus::Registry,
    ticker: Ticker,
}

#[derive(Clone)]
struct Post(Staleness);

impl Transport<()> for Post {
    type Connection = Arc<Wire>;
    type Reply = String;

    async fn send(&self, connection: &Arc<Wire>, _: &Call<()>) -> Result<String, Failure> {
        let behaviour = connection.behaviour.lock().unwrap().clone();
        match behaviour {
            Behaviour::Answers(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            Behaviour::Fails(error) => return Err(Failure::answered(error)),
            Behaviour::Hangs => std::future::pending().await,
            Behaviour::Refuses => {
                *connection.state.lock().unwrap() = ConnectionState::Down;
                self.0.mark();
                return Err(Failure { error: Error::new(503, "REFUSED", ""), outcome: CallOutcome::NotBegun });
            }
        }
        Ok(connection.address.clone())
    }
}

impl World {
    fn new(instances: &[(&str, u32)]) -> Self {
        let wires: Arc<Mutex<HashMap<String, Arc<Wire>>>> = Arc::default();
        let (registry, stale, made) = (prometheus::Registry::new(), Staleness::default(), Arc::clone(&wires));
        let connect = move |address: &str| {
            let wire = Wire {
                address: address.to_owned(),
                state: Mutex::new(ConnectionState::Up),
                suspected: AtomicBool::new(false),
                behaviour: Mutex::new(Behaviour::Answers(1)),
            };
            let wire = Arc::new(wire);
            made.lock().unwrap().insert(address.to_owned(), Arc::clone(&wire));
            wire
        };
        let metrics = InstanceMetrics::new(&registry, "bbs_user_client").expect("registers");
        let nodes = Arc::new(NodeSet::new(OutlierEjection::default(), metrics, stale.clone(), connect));
        let ticker = Ticker::default();
        tokio::spawn(ticker.clone().run());
        let world = Self { wires, nodes, stale, registry, ticker };
        world.discover(instances);
        world
    }

    fn discover(&self, instances: &[(&str, u32)]) {
        let instances: Vec<_> = instances.iter().map(|(a, weight)| Endpoint { address: (*a).to_owned(), weight: *weight }).collect();
        self.nodes.update(&instances, Instant::now());
    }

    fn wire(&self, address: &str) -> Arc<Wire> {
        Arc::clone(&self.wires.lock().unwrap()[address])
    }

    fn set(&self, address: &str, state: ConnectionState) {
        *self.wire(address).state.lock().unwrap() = state;
        self.stale.mark();
    }

    fn behave(&self, address: &str, behaviour: Behaviour) {
        *self.wire(address).behaviour.lock().unwrap() = behaviour;
    }

    fn balance(&self, balancing: LoadBalancing, retries: Retries) -> Balance<(), Post> {
        Balance::new(Arc::clone(&self.nodes), Post(self.stale.clone()), balancing, retries, self.ticker.clone())
    }

    /// The next picks of a picker, as one word.
    fn picks(&self, picker: &dyn Picker<Arc<Wire>>, n: usize) -> String {
        let now = Instant::now();
        let pick = |_| {
            let rotation = self.nodes.rotation(now);
            rotation.nodes[picker.pick(&rotation, now, &mut Rng::with_seed(1))].address().to_owned()
        };
        (0..n).map(pick).collect()
    }

    fn in_rotation(&self) -> String {
        self.nodes.rotation(Instant::now()).nodes.iter().map(|n| n.address()).collect()
    }
}

async fn ask(balance: &Balance<(), Post>, patience: Duration) -> Result<String, Error> {
    let mut call = Call::new(Kind::Grpc, "/op", ());
    call.deadline = Some(call.received + patience);
    balance.clone().oneshot(call).await
}

const PATIENCE: Duration = Duration::from_secs(2);

#[tokio::test(start_paused = true)]
async fn equal_weights_take_turns() {
    let world = World::new(&[("A", 100), ("B", 100), ("C", 100)]);
    assert_eq!(world.picks(&WeightedRoundRobin::default(), 9), "ABCABCABC");
}

#[tokio::test(start_paused = true)]
async fn unequal_weights_are_spread_smoothly() {
    let world = World::new(&[("A", 3), ("B", 2), ("C", 1)]);
    assert_eq!(world.picks(&WeightedRoundRobin::default(), 12), "ABACBAABACBA");
    let world = World::new(&[("A", 5), ("B", 1), ("C", 1)]);
    assert_eq!(world.picks(&WeightedRoundRobin::default(), 7), "AABACAA");
}

#[tokio::test(start_paused = true)]
async fn discovery_updates_do_not_disturb_the_turns() {
    let world = World::new(&[("A", 1), ("B", 1), ("C", 1)]);
    let wrr = WeightedRoundRobin::default();
    assert_eq!(world.picks(&wrr, 2), "AB");
    world.discover(&[("A", 1), ("B", 1), ("C", 1)]);
    assert_eq!(world.picks(&wrr, 2), "CA");
    world.discover(&[("A", 1), ("B", 1), ("C", 1), ("D", 1)]);
    let next = world.picks(&wrr, 8);
    for address in ["A", "B", "C", "D"] {
        assert_eq!(next.matches(address).count(), 2, "{next}");
    }
}

#[tokio::test(start_paused = true)]
async fn other_weights_before_give_no_long_run() {
    let world = World::new(&[("A", 10_000), ("B", 1), ("C", 1)]);
    let wrr = WeightedRoundRobin::default();
    world.picks(&wrr, 5001);
    world.discover(&[("B", 1), ("C", 1)]);
    let next = world.picks(&wrr, 20);
    assert!(next.matches('B').count().abs_diff(10) <= 2, "{next}");
}

#[tokio::test(start_paused = true)]
async fn weights_change_live() {
    let world = World::new(&[("A", 1), ("B", 1)]);
    let wrr = WeightedRoundRobin::default();
    world.picks(&wrr, 3);
    world.discover(&[("A", 3), ("B", 1)]);
    let next = world.picks(&wrr, 40);
    assert!(next.matches('A').count().abs_diff(30) <= 1, "{next}");
}

#[tokio::test(start_paused = true)]
async fn other_settings_do_not_disturb_the_turns() {
    let world = World::new(&[("A", 100), ("B", 100)]);
    let balance = world.balance(LoadBalancing::default(), Retries::default());
    assert_eq!(ask(&balance, PATIENCE).await.as_deref(), Ok("A"));
    balance.configure(LoadBalancing::default(), Retries { enabled: true, ..Retries::default() });
    assert_eq!(ask(&balance, PATIENCE).await.as_deref(), Ok("B"));
}

#[tokio::test(start_paused = true)]
async fn p2c_prefers_the_faster() {
    let world = World::new(&[("A", 100), ("B", 100)]);
    world.behave("A", Behaviour::Answers(2));
    world.behave("B", Behaviour::Answers(200));
    let balance = world.balance(LoadBalancing::P2C, Retries::default());
    for _ in 0..500 {
        ask(&balance, PATIENCE).await.expect("answers");
    }
    let calls: HashMap<_, _> = world.nodes.all(Instant::now()).iter().map(|(n, _)| (n.address().to_owned(), n.totals().0)).collect();
    assert!(calls["A"] > 450, "{calls:?}");
    assert!(calls["B"] >= 1, "the slow one is looked at, too: {calls:?}");
}

/// Shares of `calls` calls under P2C, by instance: each replies after so many milliseconds, give or take half, and fails so often.
async fn shares(instances: &[(f64, f64)], rate: f64, calls: u32, seed: u64) -> Vec<f64> {
    let known: Vec<_> = ["A", "B", "C", "D", "E"].into_iter().take(instances.len()).map(|name| (name, 100)).collect();
    let (world, mut rng) = (World::new(&known), Rng::with_seed(seed));
    let (mut at, mut replies) = (Instant::now(), BTreeMap::new());
    let until = async |at: Instant| tokio::time::advance(at - Instant::now()).await;
    let rotation = world.nodes.rotation(at);
    for number in 0..calls {
        at += Duration::from_secs_f64(-(1.0 - rng.f64()).ln() / rate);
        while replies.first_key_value().is_some_and(|((due, _), _)| *due <= at) {
            let ((due, _), (call, outcome)): (_, (InFlight<_>, _)) = replies.pop_first().expect("there is one");
            until(due).await;
            call.end(outcome);
        }
        until(at).await;
        let picked = P2c.pick(&rotation, at, &mut rng);
        let (milliseconds, failures) = instances[picked];
        let due = at + Duration::from_secs_f64(milliseconds * (0.5 + rng.f64()) / 1e3);
        let outcome = if rng.f64() < failures { CallOutcome::Answered(503) } else { CallOutcome::Good };
        replies.insert((due, number), (rotation.nodes[picked].begin(at), outcome));
    }
    drop(replies);
    // Calls in flight at the end count as canceled, but for their instance all the same.
    let of = |address| world.nodes.all(at).iter().find(|(n, _)| n.address() == address).map(|(n, _)| f64::from(n.totals().0 as u32));
    known.iter().map(|(address, _)| of(*address).expect("known") / f64::from(calls)).collect()
}

/// The mean of runs of all seeds.
async fn mean_shares(instances: &[(f64, f64)], rate: f64, calls: u32, seeds: u64) -> Vec<f64> {
    let mut mean = vec![0.0; instances.len()];
    for seed in 0..seeds {
        for (mean, share) in mean.iter_mut().zip(shares(instances, rate, calls, seed).await) {
            *mean += share / seeds as f64;
        }
    }
    mean
}

#[tokio::test(start_paused = true)]
async fn u8_equal_instances_have_equal_shares_at_any_rate() {
    for (milliseconds, rate) in [(0.5, 10.0), (0.5, 300.0), (0.5, 10_000.0), (20.0, 10.0), (20.0, 300.0), (20.0, 5000.0)] {
        let mut unfair = 0.0;
        for seed in 0..100 {
            let of_one = shares(&[(milliseconds, 0.0); 3], rate, 500, seed).await;
            unfair += of_one.iter().map(|share| (share * 3.0 - 1.0).abs()).fold(0.0, f64::max) / 100.0;
        }
        // Of 500 calls in a row each to a third at random, the share that is most off is off by 8 % in the mean.
        assert!(unfair < 0.1, "off by {unfair} at {rate} a second and {milliseconds} ms");
    }
}

/// As processes on one machine have them, which do the same but do not have the same caches: by some hundred microseconds.
#[tokio::test(start_paused = true)]
async fn u8_a_small_difference_of_latency_starves_no_instance() {
    // At the highest rate the slowest has most calls in flight.
    for (rate, most) in [(10.0, 0.1), (300.0, 0.1), (10_000.0, 0.15)] {
        let shares = mean_shares(&[(0.3, 0.0), (0.4, 0.0), (0.5, 0.0)], rate, 1000, 30).await;
        assert!(shares.iter().all(|share| (share * 3.0 - 1.0).abs() < most), "{shares:?} at {rate} a second");
    }
}

#[tokio::test(start_paused = true)]
async fn u8_a_slow_or_failing_instance_has_less() {
    for rate in [10.0, 300.0, 3000.0] {
        for (bad, most) in [((20.0, 0.0), 0.12), ((6.0, 0.0), 0.28), ((2.0, 0.5), 0.15), ((0.1, 1.0), 0.06), ((2.0, 1.0), 0.06)] {
            let shares = mean_shares(&[(2.0, 0.0), (2.0, 0.0), bad], rate, 1000, 8).await;
            assert!(shares[2] < most && shares[2] > 0.0, "{shares:?} at {rate} a second with {bad:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn random_finds_all() {
    let world = World::new(&[("A", 1), ("B", 10_000)]);
    let balance = world.balance(LoadBalancing::Random, Retries::default());
    let mut a = 0;
    for _ in 0..1000 {
        a += usize::from(ask(&balance, PATIENCE).await.expect("answers") == "A");
    }
    assert!((400..600).contains(&a), "{a}");
}

#[tokio::test(start_paused = true)]
async fn without_any_instance_the_call_fails_at_once() {
    let world = World::new(&[]);
    let balance = world.balance(LoadBalancing::default(), Retries::default());
    assert_eq!(ask(&balance, PATIENCE).await, Err(Error::NO_AVAILABLE_NODE));
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_costs_no_call() {
    let world = World::new(&[("A", 1), ("B", 1), ("C", 1)]);
    let balance = world.balance(LoadBalancing::default(), Retries::default());
    world.behave("A", Behaviour::Refuses);
    world.behave("B", Behaviour::Refuses);
    for _ in 0..10 {
        assert_eq!(ask(&balance, PATIENCE).await.as_deref(), Ok("C"));
    }
    assert_eq!(world.in_rotation(), "C");
    world.set("A", ConnectionState::Up);
    assert_eq!(world.in_rotation(), "AC");
}

#[tokio::test(start_paused = true)]
async fn if_all_refuse_the_call_fails_at_once_and_says_why() {
    let world = World::new(&[("A", 1), ("B", 1)]);
    let balance = world.balance(LoadBalancing::default(), Retries::default());
    world.behave("A", Behaviour::Refuses);
    world.behave("B", Behaviour::Refuses);
    let begun = Instant::now();
    assert_eq!(ask(&balance, PATIENCE).await.expect_err("all down").reason, "REFUSED");
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn instances_that_hang_are_ejected_and_return_after_their_time() {
    let world = World::new(&[("A", 1), ("B", 1), ("C", 1), ("D", 1)]);
    let balance = world.balance(LoadBalancing::default(), Retries::default());
    for address in ["A", "B", "C"] {
        world.behave(address, Behaviour::Hangs);
    }
    let calls = (0..60).map(|_| ask(&balance, PATIENCE));
    let timed_out = futures_util::future::join_all(calls).await.into_iter().filter(|r| r.as_ref().is_err_and(|e| e.code == 504)).count();
    assert_eq!(timed_out, 45);
    // At most half of four, though three hang.
    assert_eq!(world.in_rotation().len(), 2);
    assert_eq!(world.wires.lock().unwrap().values().filter(|w| w.suspected.load(Relaxed)).count(), 2);
    tokio::time::advance(Duration::from_secs(6)).await;
    assert_eq!(world.in_rotation(), "ABCD");
}

#[tokio::test(start_paused = true)]
async fn one_instance_alone_is_never_ejected() {
    let world = World::new(&[("A", 1)]);
    let balance = world.balance(LoadBalancing::default(), Retries::default());
    world.behave("A", Behaviour::Hangs);
    for _ in 0..10 {
        assert_eq!(ask(&balance, PATIENCE).await.expect_err("hangs").code, 504);
    }
    assert_eq!(world.in_rotation(), "A");
}

#[tokio::test(start_paused = true)]
async fn an_answer_between_timeouts_is_a_new_start() {
    let world = World::new(&[("A", 1), ("B", 1)]);
    let balance = world.balance(LoadBalancing::default(), Retries::default());
    for _ in 0..4 {
        world.behave("A", Behaviour::Hangs);
        for _ in 0..8 {
            let _ = ask(&balance, PATIENCE).await;
        }
        world.behave("A", Behaviour::Fails(Error::new(500, "", "")));
        for _ in 0..2 {
            let _ = ask(&balance, PATIENCE).await;
        }
    }
    assert_eq!(world.in_rotation(), "AB");
}

#[tokio::test(start_paused = true)]
async fn many_calls_lost_with_one_connection_count_once() {
    let world = World::new(&[("A", 1), ("B", 1)]);
    let (node, _) = world.nodes.all(Instant::now()).swap_remove(0);
    let fall = |connection| node.begin(Instant::now()).end(CallOutcome::Disconnected(connection));
    assert_eq!([1, 1, 1, 2, 2, 3].map(fall), [Some(1), None, None, Some(2), None, Some(3)]);
}

#[tokio::test(start_paused = true)]
async fn if_none_is_well_those_that_may_still_answer_are_called() {
    let world = World::new(&[("A", 1), ("B", 1), ("C", 1)]);
    world.set("A", ConnectionState::Suspect);
    world.set("B", ConnectionState::Connecting);
    world.set("C", ConnectionState::Down);
    assert_eq!(world.in_rotation(), "AB");
    world.set("A", ConnectionState::Down);
    world.set("B", ConnectionState::Down);
    assert_eq!(world.in_rotation(), "ABC");
    assert!(world.nodes.rotation(Instant::now()).all_down);
}

#[tokio::test(start_paused = true)]
async fn retries_go_to_another_instance_and_stay_in_the_budget() {
    let world = World::new(&[("A", 1000), ("B", 1)]);
    world.behave("A", Behaviour::Fails(Error::new(503, "", "")));
    let retries = Retries { enabled: true, ..Retries::default() };
    let balance = world.balance(LoadBalancing::default(), retries);
    let mut succeeded = 0;
    for _ in 0..100 {
        succeeded += usize::from(ask(&balance, PATIENCE).await.is_ok());
    }
    // 20 % of 100 calls, and the ten that are free in a second.
    assert!((28..=31).contains(&succeeded), "{succeeded}");
}

#[tokio::test(start_paused = true)]
async fn refusals_of_the_limiter_are_not_retried() {
    let world = World::new(&[("A", 1), ("B", 1)]);
    world.behave("A", Behaviour::Fails(Error::RATELIMIT));
    let balance = world.balance(LoadBalancing::default(), Retries { enabled: true, ..Retries::default() });
    assert_eq!(ask(&balance, PATIENCE).await, Err(Error::RATELIMIT));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_leaves_nothing_behind() {
    let world = World::new(&[("A", 1)]);
    world.behave("A", Behaviour::Hangs);
    let balance = world.balance(LoadBalancing::default(), Retries::default());
    for _ in 0..10 {
        let _ = tokio::time::timeout(Duration::from_millis(1), ask(&balance, PATIENCE)).await;
    }
    let (node, _) = world.nodes.all(Instant::now()).swap_remove(0);
    assert_eq!(node.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_series_of_an_instance_go_with_it() {
    let world = World::new(&[("A", 1), ("B", 1)]);
    let balance = world.balance(LoadBalancing::default(), Retries::default());
    world.behave("B", Behaviour::Fails(Error::RATELIMIT));
    for _ in 0..4 {
        let _ = ask(&balance, PATIENCE).await;
    }
    let text = || prometheus::TextEncoder::new().encode_to_string(&world.registry.gather()).expect("encodes");
    assert!(text().contains(r#"bbs_user_client_instance_requests_total{code="0",instance="A"} 2"#), "{}", text());
    assert!(text().contains(r#"bbs_user_client_instance_requests_total{code="429",instance="B"} 2"#), "{}", text());
    world.discover(&[("A", 1)]);
    assert!(!text().contains("instance=\"B\""), "{}", text());
    assert!(text().contains("bbs_user_client_instances 1"), "{}", text());
}
