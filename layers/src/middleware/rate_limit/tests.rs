use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tower::ServiceExt;

use super::bbr::{COOL_OFF, Permit};
use super::*;
use crate::Kind;
use crate::guard::{Guard, Outcome};
use crate::sync::explore;

fn layer() -> RateLimitLayer {
    RateLimitLayer::new(&prometheus::Registry::new(), "test", Arc::default()).expect("registers")
}

async fn answer(layer: &RateLimitLayer, caller: &'static str) -> Result<(), Error> {
    let mut call = Call::new(Kind::Grpc, "/op", ());
    call.metadata.insert(CALLER, http::HeaderValue::from_static(caller));
    layer.layer(tower::service_fn(|_: Call<()>| ready(Ok(())))).oneshot(call).await
}

#[tokio::test(start_paused = true)]
async fn refuses_beyond_the_rate_and_follows_changes() {
    let layer = layer();
    for _ in 0..10 {
        answer(&layer, "a").await.expect("no limiter is set");
    }
    let limit = Limit::from(TokenBucket { requests_per_second: 10, burst: 2, ..TokenBucket::default() });
    layer.configure(Some(limit.clone()));
    assert_eq!(answer(&layer, "a").await, Ok(()));
    assert_eq!(answer(&layer, "a").await, Ok(()));
    assert_eq!(answer(&layer, "a").await, Err(Error::RATELIMIT));
    layer.configure(Some(limit));
    assert_eq!(answer(&layer, "a").await, Err(Error::RATELIMIT), "the same settings again must not fill the bucket");
    tokio::time::advance(Duration::from_millis(100)).await;
    assert_eq!(answer(&layer, "a").await, Ok(()));
    layer.configure(None);
    for _ in 0..10 {
        answer(&layer, "a").await.expect("the limiter is off");
    }
}

#[tokio::test(start_paused = true)]
async fn callers_have_buckets_of_their_own() {
    let layer = layer();
    let overrides = vec![CallerRate { caller: "gold".into(), requests_per_second: 1000 }];
    layer.configure(Some(TokenBucket { requests_per_second: 1, scope: Scope::Client, overrides, ..TokenBucket::default() }.into()));
    for caller in ["a", "b", "gold"] {
        assert_eq!(answer(&layer, caller).await, Ok(()), "{caller}");
        assert_eq!(answer(&layer, caller).await, Err(Error::RATELIMIT), "{caller}");
    }
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(answer(&layer, "gold").await, Ok(()));
    assert_eq!(answer(&layer, "a").await, Err(Error::RATELIMIT));
}

/// The message may have taken its time, or the worker: the call was received before others that were decided earlier.
#[tokio::test(start_paused = true)]
async fn p3_a_call_received_long_ago_has_the_tokens_of_now() {
    for scope in [Scope::Instance, Scope::Client] {
        let layer = layer();
        layer.configure(Some(TokenBucket { requests_per_second: 100, scope, ..TokenBucket::default() }.into()));
        let mut early = Call::new(Kind::Grpc, "/op", ());
        early.metadata.insert(CALLER, http::HeaderValue::from_static("a"));
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!(answer(&layer, "a").await, Ok(()));
        tokio::time::advance(Duration::from_millis(10)).await;
        let mut service = layer.layer(tower::service_fn(|_: Call<()>| ready(Ok::<_, Error>(()))));
        assert_eq!(service.call(early).await, Ok(()), "{scope:?}");
        assert_eq!(answer(&layer, "a").await, Err(Error::RATELIMIT), "its token is taken");
    }
}

#[tokio::test(start_paused = true)]
async fn endless_caller_names_share_one_bucket() {
    let clients = Clients::new(&TokenBucket { requests_per_second: 1, scope: Scope::Client, ..TokenBucket::default() });
    let passed = (0..5000).filter(|i| clients.allow(&format!("caller-{i}"), Instant::now())).count();
    assert_eq!(passed, 1024 + 1);
}

#[tokio::test(start_paused = true)]
async fn bbr_refuses_only_while_busy_and_beyond_what_throughput_needs() {
    let cpu = Arc::new(CpuMeter::default());
    let bbr = Arc::new(Bbr::new(Arc::clone(&cpu)));
    // 20 calls of 10 ms in each of 20 buckets: 200 a second at 10 ms need 2 in flight.
    for _ in 0..20 {
        let permits: Vec<_> = (0..20).map(|_| bbr.admit(Instant::now()).expect("not busy")).collect();
        tokio::time::advance(Duration::from_millis(10)).await;
        permits.into_iter().for_each(|p| p.done(Outcome::Success));
        tokio::time::advance(Duration::from_millis(90)).await;
    }
    let finish = |permits: Vec<Permit>| permits.into_iter().for_each(|p| p.done(Outcome::Canceled));
    let idle: Vec<_> = (0..50).filter_map(|_| bbr.admit(Instant::now())).collect();
    assert_eq!(idle.len(), 50, "an idle machine refuses nothing");
    finish(idle);
    cpu.set(900);
    let busy: Vec<_> = (0..50).filter_map(|_| bbr.admit(Instant::now())).collect();
    assert_eq!(busy.len(), 3, "2 in flight are needed, and the limiter refuses beyond them");
    finish(busy);
    cpu.set(100);
    assert_eq!((0..50).filter_map(|_| bbr.admit(Instant::now())).count(), 3, "it stays alert for a second");
    tokio::time::advance(COOL_OFF * 2).await;
    assert!(bbr.admit(Instant::now()).is_some());
}

#[test]
fn p3_workers_that_ask_at_once_have_one_bucket_of_a_caller() {
    let settings = TokenBucket { requests_per_second: 1, scope: Scope::Client, ..TokenBucket::default() };
    type World = (Clients, std::sync::atomic::AtomicU32);
    let ask = |(clients, passed): &World| {
        passed.fetch_add(clients.allow("new", Instant::now()).into(), Relaxed);
    };
    let none = || -> World { (Clients::new(&settings), Default::default()) };
    explore(none, &[&ask, &ask], |(_, passed)| assert_eq!(passed.load(Relaxed), 1));
}

#[test]
fn p3_bbr_counts_workers_that_ask_at_once_one_after_the_other() {
    type World = (Arc<Bbr>, Mutex<Vec<Permit>>);
    let busy = || -> World {
        let cpu = Arc::new(CpuMeter::default());
        cpu.set(900);
        (Arc::new(Bbr::new(cpu)), Default::default())
    };
    let ask = |(bbr, permits): &World| {
        let permit = bbr.admit(Instant::now());
        permits.lock().expect("no panic").extend(permit);
    };
    explore(busy, &[&ask, &ask, &ask], |(_, permits)| assert_eq!(permits.lock().expect("no panic").len(), 2));
}
