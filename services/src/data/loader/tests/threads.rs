//! The loader on threads: workers that each have a runtime of their own.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::{Barrier, oneshot};
use tokio::task::yield_now;

use super::*;

/// Far more than it takes: a read that is forgotten never ends.
const LIMIT: Duration = Duration::from_secs(60);
const READS: u32 = 2_000;

fn on_a_runtime<F: Future>(run: impl FnOnce() -> F) -> F::Output {
    Builder::new_current_thread().enable_all().build().unwrap().block_on(async { run().await })
}

/// Reads a few keys at a time; now and then a caller goes away, or the thread sleeps.
async fn reads(loader: &Loader<u32, u32>, worker: u32) {
    for round in 0..READS {
        let keys = (0..1 + round % 5).map(|key| (worker * 7 + round + key) % 1000);
        if round % 11 == 0 {
            drop(keys.clone().map(|key| loader.load(key)).collect::<Vec<_>>());
        }
        for (key, read) in keys.clone().zip(join_all(keys.map(|key| loader.load(key))).await) {
            assert_eq!(read, Ok(Some(key * 10)));
        }
        match round % 13 {
            0 => sleep(Duration::from_micros(50)).await,
            1 => yield_now().await,
            _ => {}
        }
    }
}

/// Runs `workers`, and the test fails if they do not end in time.
fn run(workers: usize, connections: u16, latency: Duration) {
    let fake = Fake::with_latency(latency);
    let (first, opened) = mpsc::channel();
    // No runtime ends before all workers have read to the end.
    let all = Arc::new(Barrier::new(workers));
    let (done, ended) = mpsc::channel();
    let begin = move |worker: usize, loader: Loader<u32, u32>, all: Arc<Barrier>| async move {
        reads(&loader, worker as u32).await;
        all.wait().await;
    };
    let (barrier, signal) = (Arc::clone(&all), done.clone());
    let mut threads = vec![thread::spawn(move || {
        on_a_runtime(|| async move {
            let loader = Loader::open(fake, "fake", connections, workers, metrics()).await.unwrap();
            first.send(loader.clone()).unwrap();
            begin(0, loader, barrier).await;
        });
        signal.send(()).unwrap();
    })];
    let loader = opened.recv_timeout(LIMIT).unwrap();
    for worker in 1..workers {
        let (loader, barrier, signal) = (loader.clone(), Arc::clone(&all), done.clone());
        threads.push(thread::spawn(move || {
            on_a_runtime(|| async move { begin(worker, loader.join(worker), barrier).await });
            signal.send(()).unwrap();
        }));
    }
    for _ in 0..workers {
        ended.recv_timeout(LIMIT).expect("every read is answered");
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn every_read_of_every_worker_is_answered() {
    for (workers, connections) in [(2, 1), (2, 2), (4, 3), (3, 8)] {
        run(workers, connections, Duration::ZERO);
    }
}

#[test]
fn every_read_is_answered_by_a_store_that_takes_its_time() {
    run(4, 2, Duration::from_micros(100));
}

#[test]
fn d6_when_a_workers_runtime_ends_the_others_go_on() {
    let fake = Fake::default();
    let (hand_over, opened) = mpsc::channel();
    let (end, ends) = oneshot::channel::<()>();
    let owner = thread::spawn(move || {
        on_a_runtime(|| async move {
            let loader = Loader::open(fake, "fake", 2, 2, metrics()).await.unwrap();
            hand_over.send(loader).unwrap();
            let _ = ends.await;
        });
    });
    let first = opened.recv_timeout(LIMIT).unwrap();
    on_a_runtime(|| async move {
        let second = first.join(1);
        while second.status().connected < 2 {
            yield_now().await;
        }
        assert_eq!(second.load(1).await, Ok(Some(10)));
        end.send(()).unwrap();
        while second.status().connected > 1 {
            yield_now().await;
        }
        for key in 0..100 {
            assert_eq!(second.load(key).await, Ok(Some(key * 10)));
        }
    });
    owner.join().unwrap();
}
