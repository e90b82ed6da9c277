//! The loader against a store that breaks on demand, in virtual time.

mod fake;
mod threads;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{join_all, poll_immediate};
use tokio::time::{Instant, sleep, timeout};

use self::fake::{Fake, metrics};
use super::*;

const MS: Duration = Duration::from_millis(1);

fn lost() -> ReadError {
    ReadError::ConnectionLost("reset by peer".to_owned())
}

fn unreachable() -> Option<ConnectError> {
    Some(ConnectError::Unreachable("connection refused".to_owned()))
}

/// Waits, in virtual time, until `holds` does.
async fn until(holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            sleep(MS).await;
        }
    };
    timeout(Duration::from_secs(60), wait).await.expect("holds within a minute");
}

#[tokio::test(start_paused = true)]
async fn a_read_alone_waits_for_nobody() {
    let fake = Fake::default();
    let loader = fake.loader(1).await;
    let start = Instant::now();
    assert_eq!(loader.load(7).await, Ok(Some(70)));
    assert_eq!(loader.load(1000).await, Ok(None));
    assert_eq!(start.elapsed(), Duration::ZERO);
    assert_eq!(fake.plan().batches, [vec![7], vec![1000]]);
}

#[tokio::test(start_paused = true)]
async fn reads_gather_while_a_query_is_on_its_way() {
    let fake = Fake::with_latency(10 * MS);
    let loader = fake.loader(1).await;
    let first = loader.load(1);
    let later = async {
        sleep(MS).await;
        join_all([3, 2, 3, 1, 4].map(|key| loader.load(key))).await
    };
    let (first, later) = futures_util::future::join(first, later).await;
    assert_eq!(first, Ok(Some(10)));
    assert_eq!(later, [30, 20, 30, 10, 40].map(|value| Ok(Some(value))));
    // A read of the key 1 that came after the query was sent is not answered by it.
    assert_eq!(fake.plan().batches, [vec![1], vec![1, 2, 3, 4]]);
}

#[tokio::test(start_paused = true)]
async fn batches_are_bounded_and_in_order() {
    let fake = Fake::with_latency(10 * MS);
    let loader = fake.loader(1).await;
    let values = join_all((0..600).map(|key| loader.load(key))).await;
    assert!((0..).zip(values).all(|(key, value)| value == Ok(Some(key * 10))));
    let expected: Vec<Vec<u32>> = vec![(0..256).collect(), (256..512).collect(), (512..600).collect()];
    assert_eq!(fake.plan().batches, expected);
}

#[tokio::test(start_paused = true)]
async fn connections_work_side_by_side() {
    let fake = Fake::with_latency(10 * MS);
    let loader = fake.loader(4).await;
    until(|| loader.status().connected == 4).await;
    let start = Instant::now();
    join_all((0..1024).map(|key| loader.load(key))).await;
    assert_eq!(start.elapsed(), 10 * MS);
    assert_eq!(fake.plan().batches.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn a_further_connection_joins_in_once_as_many_reads_wait_as_the_last_batch_took() {
    let fake = Fake::with_latency(10 * MS);
    let loader = fake.loader(3).await;
    until(|| loader.status().connected == 3).await;
    // Keys, and the millisecond they are asked for in.
    let asked = [(0..4, 0), (4..7, 1), (7..8, 2), (8..9, 3)];
    let reads = asked.clone().map(|(keys, ms)| {
        let reads = keys.map(|key| loader.load(key));
        async move {
            sleep(ms * MS).await;
            join_all(reads).await;
        }
    });
    let start = Instant::now();
    join_all(reads).await;
    // The last one waited for the first connection.
    assert_eq!(fake.plan().batches, [vec![0, 1, 2, 3], vec![4, 5, 6, 7], vec![8]]);
    assert_eq!(start.elapsed(), 20 * MS);
}

/// Lets a read of each of these keys hang on the way, and does `meanwhile` from a millisecond later on.
async fn with_hanging(fake: &Fake, loader: &Loader<u32, u32>, keys: &[u32], meanwhile: impl Future<Output = ()>) {
    until(|| loader.status().connected == 2).await;
    fake.plan().hang = true;
    let hanging = join_all(keys.iter().map(|&key| loader.load(key)));
    let later = async {
        sleep(MS).await;
        fake.plan().hang = false;
        meanwhile.await;
    };
    let (outcome, ()) = futures_util::future::join(hanging, later).await;
    assert!(outcome.iter().all(|read| *read == Err(LoadError::Unavailable)), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_hangs_holds_up_fewer_reads_than_it_took_and_fails_none_of_them() {
    let fake = Fake::default();
    let loader = fake.loader(2).await;
    let at_once = async |keys: &[u32]| {
        let start = Instant::now();
        let expected: Vec<_> = keys.iter().map(|key| Ok(Some(key * 10))).collect();
        assert_eq!(join_all(keys.iter().map(|&key| loader.load(key))).await, expected);
        assert_eq!(start.elapsed(), Duration::ZERO, "{keys:?}");
    };
    // As many as hang; after them any, since what has been overtaken holds up nobody.
    with_hanging(&fake, &loader, &[1, 2], async {
        at_once(&[3, 4]).await;
        at_once(&[5]).await;
    })
    .await;
    // More than hang, and fewer again.
    with_hanging(&fake, &loader, &[1], async {
        at_once(&[3, 4, 5, 6]).await;
        at_once(&[7]).await;
    })
    .await;
    // Fewer, too, if it is the second attempt that hangs.
    fake.plan().read_errors = vec![lost()];
    with_hanging(&fake, &loader, &[1, 2], at_once(&[3])).await;
    // Fewer wait until it is given up.
    with_hanging(&fake, &loader, &[1, 2], async {
        assert_eq!(loader.load(3).await, Ok(Some(30)));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn reads_of_callers_gone_are_skipped() {
    let fake = Fake::with_latency(10 * MS);
    let metrics = metrics();
    let loader = Loader::open(fake.clone(), "fake", 1, 1, metrics.clone()).await.unwrap();
    let mut in_flight = Box::pin(loader.load(1));
    assert!(poll_immediate(&mut in_flight).await.is_none());
    sleep(MS).await;
    for key in 2..100 {
        assert!(poll_immediate(loader.load(key)).await.is_none());
    }
    drop(in_flight);
    assert_eq!(loader.load(100).await, Ok(Some(1000)));
    assert_eq!(fake.plan().batches, [vec![1], vec![100]]);
    assert_eq!(metrics.queue_depth.get(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_at_once() {
    let fake = Fake::default();
    fake.plan().hang = true;
    let metrics = metrics();
    let loader = Loader::open(fake.clone(), "fake", 1, 1, metrics.clone()).await.unwrap();
    let mut in_flight = Box::pin(loader.load(0));
    assert!(poll_immediate(&mut in_flight).await.is_none());
    sleep(MS).await;
    let mut waiting: Vec<_> = (0..QUEUE_CAPACITY).map(|_| Box::pin(loader.load(1))).collect();
    for read in &mut waiting {
        assert!(poll_immediate(read).await.is_none());
    }
    assert_eq!(metrics.queue_depth.get(), QUEUE_CAPACITY as i64);
    assert_eq!(loader.load(2).now_or_never(), Some(Err(LoadError::Overloaded)));
    // Callers that go away make room.
    drop(waiting);
    assert_eq!(loader.load(2).now_or_never(), None);
    assert_eq!(metrics.overloaded.get(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stale_connection_is_replaced_unseen() {
    let fake = Fake::default();
    let loader = fake.loader(1).await;
    fake.plan().read_errors = vec![lost()];
    assert_eq!(loader.load(1).await, Ok(Some(10)));
    assert_eq!(fake.plan().connects.len(), 2);
    assert_eq!(Arc::strong_count(&fake.plan().open), 2, "the old connection is closed");
    assert_eq!(loader.status().last_error, None);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_breaks_twice_fails_its_batch() {
    let fake = Fake::default();
    let loader = fake.loader(1).await;
    fake.plan().read_errors = vec![lost(), lost()];
    assert_eq!(loader.load(1).await, Err(LoadError::Unavailable));
    until(|| loader.status().connected == 1).await;
    assert_eq!(loader.load(1).await, Ok(Some(10)));
}

#[tokio::test(start_paused = true)]
async fn while_disconnected_reads_fail_at_once_and_attempts_become_rarer() {
    let fake = Fake::default();
    let loader = fake.loader(1).await;
    {
        let mut plan = fake.plan();
        plan.read_errors = vec![lost()];
        plan.connect_error = unreachable();
        plan.connects.clear();
    }
    assert_eq!(loader.load(1).await, Err(LoadError::Unavailable));
    until(|| loader.status().connected == 0).await;
    assert_eq!(loader.load(1).now_or_never(), Some(Err(LoadError::Unavailable)));
    assert_eq!(loader.status().last_error.as_deref(), Some("connection refused"));

    until(|| fake.plan().connects.len() == 12).await;
    let connects = fake.plan().connects.clone();
    for (i, pair) in connects.windows(2).enumerate() {
        let longest = Duration::from_secs(2).min(50 * MS * (1 << i));
        let pause = pair[1] - pair[0];
        // The clock of the test ticks in milliseconds.
        assert!(pause >= longest / 2 && pause <= longest + 2 * MS, "attempt {i} after {pause:?}");
    }

    fake.plan().connect_error = None;
    until(|| loader.status().connected == 1).await;
    assert_eq!(loader.status().last_error, None);
    assert_eq!(loader.load(1).await, Ok(Some(10)));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_holds_nobody_for_long() {
    let fake = Fake::default();
    let loader = fake.loader(1).await;
    for idle in [0, 10, 350] {
        sleep(idle * MS).await;
        fake.plan().hang = true;
        let start = Instant::now();
        let in_flight = loader.load(1);
        let waiting = async {
            sleep(100 * MS).await;
            loader.load(2).await
        };
        let outcome = futures_util::future::join(in_flight, waiting).await;
        assert_eq!(outcome, (Err(LoadError::Unavailable), Err(LoadError::Unavailable)));
        assert!((740 * MS..=1010 * MS).contains(&start.elapsed()), "took {:?}", start.elapsed());

        fake.plan().hang = false;
        until(|| loader.status().connected == 1).await;
        assert_eq!(loader.load(1).await, Ok(Some(10)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_query_is_not_cut_short_by_old_ticks() {
    let fake = Fake::with_latency(740 * MS);
    let loader = fake.loader(1).await;
    for idle in [0, 100, 240, 250, 5000] {
        sleep(idle * MS).await;
        assert_eq!(loader.load(1).await, Ok(Some(10)), "after {idle} ms");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_decoded_fails_its_own_read_only() {
    let fake = Fake::with_latency(MS);
    fake.plan().malformed = Some(2);
    let loader = fake.loader(1).await;
    let values = join_all([1, 2, 2, 3].map(|key| loader.load(key))).await;
    let malformed = || Err(LoadError::Malformed("not a number".into()));
    assert_eq!(values, [Ok(Some(10)), malformed(), malformed(), Ok(Some(30))]);
    assert_eq!(loader.load(3).await, Ok(Some(30)));
}

#[tokio::test(start_paused = true)]
async fn a_refused_query_keeps_the_connection() {
    let fake = Fake::default();
    let loader = fake.loader(1).await;
    fake.plan().read_errors = vec![ReadError::Refused("too many joins".to_owned())];
    assert_eq!(loader.load(1).await, Err(LoadError::Unavailable));
    let refused = Some("too many joins".into());
    assert_eq!(loader.status(), StoreStatus { store: "fake".into(), connections: 1, connected: 1, last_error: refused });
    assert_eq!(loader.load(1).await, Ok(Some(10)));
    assert_eq!(loader.status().last_error, None);
    assert_eq!(fake.plan().connects.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_unreachable_store_is_waited_for_but_a_wrong_setting_is_not() {
    let fake = Fake::default();
    fake.plan().connect_error = unreachable();
    let loader = fake.loader(2).await;
    assert_eq!(loader.load(1).now_or_never(), Some(Err(LoadError::Unavailable)));
    fake.plan().connect_error = None;
    until(|| loader.status().connected == 2).await;
    assert_eq!(loader.load(1).await, Ok(Some(10)));

    let wrong = ConnectError::Configuration("access denied".to_owned());
    fake.plan().connect_error = Some(wrong.clone());
    let refused = Loader::open(fake.clone(), "fake", 2, 1, metrics()).await;
    assert_eq!(refused.err(), Some(wrong));
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_closes_the_connections() {
    let fake = Fake::default();
    let loader = fake.loader(3).await;
    until(|| loader.status().connected == 3).await;
    let other = loader.clone();
    drop(loader);
    assert_eq!(other.load(1).await, Ok(Some(10)));
    drop(other);
    until(|| Arc::strong_count(&fake.plan().open) == 1).await;
}

#[tokio::test(start_paused = true)]
async fn d6_a_worker_without_a_connection_is_served_by_those_that_have_one() {
    let fake = Fake::with_latency(10 * MS);
    let first = Loader::open(fake.clone(), "fake", 2, 16, metrics()).await.unwrap();
    let workers: Vec<_> = (1..16).map(|worker| first.join(worker)).collect();
    until(|| first.status().connected == 2).await;
    for (worker, key) in workers.iter().zip(1..) {
        assert_eq!(worker.load(key).await, Ok(Some(key * 10)));
    }
    // What all ask for at the same time is one query.
    fake.plan().batches.clear();
    let read = join_all(workers.iter().map(|worker| worker.load(3))).await;
    assert!(read.iter().all(|read| *read == Ok(Some(30))), "{read:?}");
    assert_eq!(fake.plan().batches, [vec![3]]);
    assert_eq!(fake.plan().connects.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn d9_a_connection_that_is_refused_is_tried_again_while_others_serve() {
    let fake = Fake::default();
    let first = Loader::open(fake.clone(), "fake", 2, 2, metrics()).await.unwrap();
    fake.plan().connect_error = Some(ConnectError::Configuration("access denied".to_owned()));
    let second = first.join(1);
    until(|| fake.plan().connects.len() == 5).await;
    assert_eq!(second.load(1).await, Ok(Some(10)));
    assert_eq!(second.status().trouble().as_deref(), Some("access denied (1 of 2 connections are open)"));
    fake.plan().connect_error = None;
    until(|| second.status().connected == 2).await;
    assert_eq!(second.status().trouble(), None);
    assert_eq!(second.load(1).await, Ok(Some(10)));
}
