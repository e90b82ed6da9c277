//! Balancers over some instances: alike, nearly alike, slow, failing, hanging, and busy.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use fastrand::Rng;
use tokio::time::{Instant, advance};

use crate::balancers::{Balancer, Begun, Chance, Here, Kratos};

/// What an instance does: replies after so many milliseconds, give or take half, and fails so often.
#[derive(Debug, Clone, Copy)]
struct Instance {
    milliseconds: f64,
    failures: f64,
    /// Whether it does one call after the other.
    busy: bool,
}

const fn takes(milliseconds: f64) -> Instance {
    Instance { milliseconds, failures: 0.0, busy: false }
}

/// What became of the calls of a run.
struct Seen {
    shares: Vec<f64>,
    /// Milliseconds that calls took, sorted.
    took: Vec<f64>,
}

async fn run(balancer: &mut dyn Balancer, instances: &[Instance], rate: f64, calls: u32, seed: u64) -> Seen {
    let (mut rng, begun) = (Rng::with_seed(seed), Instant::now());
    let mut at = begun;
    let mut replies: BTreeMap<(Instant, u32), (usize, Begun, bool)> = BTreeMap::new();
    let mut free = vec![begun; instances.len()];
    let (mut counts, mut took) = (vec![0_u32; instances.len()], Vec::new());
    for number in 0..calls {
        at += Duration::from_secs_f64(-(1.0 - rng.f64()).ln() / rate);
        while let Some(entry) = replies.first_entry().filter(|entry| entry.key().0 <= at) {
            let ((due, _), (picked, begun, success)) = entry.remove_entry();
            advance(due - Instant::now()).await;
            balancer.end(picked, begun, success, due);
        }
        advance(at - Instant::now()).await;
        let (picked, begun) = balancer.begin(at, &mut rng);
        let Instance { milliseconds, failures, busy } = instances[picked];
        let starts = if busy { free[picked].max(at) } else { at };
        let due = starts + Duration::from_secs_f64(milliseconds * (0.5 + rng.f64()) / 1e3);
        free[picked] = due;
        counts[picked] += 1;
        took.push((due - at).as_secs_f64() * 1e3);
        replies.insert((due, number), (picked, begun, rng.f64() >= failures));
    }
    took.sort_by(f64::total_cmp);
    Seen { shares: counts.iter().map(|count| f64::from(*count) / f64::from(calls)).collect(), took }
}

const BALANCERS: [(&str, fn(usize) -> Box<dyn Balancer>); 3] =
    [("`P2C`", |n| Box::new(Here::new(n))), ("Kratos' p2c", |n| Box::new(Kratos::new(n))), ("`Random`", |n| Box::new(Chance(n)))];

/// The mean over a hundred seeds of what `of` makes of a run.
async fn mean(new: fn(usize) -> Box<dyn Balancer>, instances: &[Instance], rate: f64, of: impl Fn(&Seen) -> f64) -> f64 {
    const SEEDS: u64 = 100;
    let mut sum = 0.0;
    for seed in 0..SEEDS {
        sum += of(&run(&mut *new(instances.len()), instances, rate, 1000, seed).await);
    }
    sum / SEEDS as f64
}

/// How far the share of some instance is from a fair one, at most.
fn unfair(seen: &Seen) -> f64 {
    let fair = 1.0 / seen.shares.len() as f64;
    seen.shares.iter().map(|share| (share / fair - 1.0).abs()).fold(0.0, f64::max)
}

/// The table.
pub(crate) async fn simulate() -> String {
    let mut table = "| instances | calls/s | measured |".to_owned();
    for (name, _) in BALANCERS {
        let _ = write!(table, " {name} |");
    }
    table.push_str("\n|---|---:|---|---:|---:|---:|\n");
    let last = |seen: &Seen| 100.0 * seen.shares[seen.shares.len() - 1];
    let off = |seen: &Seen| 100.0 * unfair(seen);
    let percent = |figure: f64| format!("{figure:.1} %");
    let milliseconds = |figure: f64| format!("{figure:.1} ms");
    let (even, fast) = ([takes(0.5); 3], takes(2.0));
    let nearly = [takes(0.3), takes(0.4), takes(0.5)];
    let slow = [fast, fast, takes(20.0)];
    let failing = [fast, fast, Instance { failures: 0.5, ..fast }];
    let refusing = [fast, fast, Instance { milliseconds: 0.1, failures: 1.0, busy: false }];
    let hanging = [fast, fast, takes(1000.0)];
    let busy = [Instance { busy: true, ..fast }; 5];
    for rate in [10.0, 300.0, 10_000.0] {
        row(&mut table, "three alike, 0.5 ms", &even, rate, "the share that is most off", off, percent).await;
    }
    for rate in [10.0, 300.0, 10_000.0] {
        row(&mut table, "0.3, 0.4 and 0.5 ms", &nearly, rate, "the share that is most off", off, percent).await;
    }
    for rate in [10.0, 300.0, 3000.0] {
        row(&mut table, "2, 2 and 20 ms", &slow, rate, "share of the slow one", last, percent).await;
    }
    row(&mut table, "2 ms, one fails half with 503", &failing, 300.0, "its share", last, percent).await;
    row(&mut table, "2 ms, one refuses all in 0.1 ms", &refusing, 300.0, "its share", last, percent).await;
    row(&mut table, "2 ms, one takes a second", &hanging, 300.0, "its share", last, percent).await;
    let middle = |seen: &Seen| seen.took.iter().sum::<f64>() / seen.took.len() as f64;
    row(&mut table, "five, 2 ms a call, one after the other", &busy, 1750.0, "mean latency", middle, milliseconds).await;
    let p99 = |seen: &Seen| seen.took[seen.took.len() * 99 / 100];
    row(&mut table, "the same, 70 % busy", &busy, 1750.0, "99th percentile", p99, milliseconds).await;
    table
}

async fn row(
    table: &mut String,
    name: &str,
    instances: &[Instance],
    rate: f64,
    measured: &str,
    of: impl Fn(&Seen) -> f64,
    show: impl Fn(f64) -> String,
) {
    let _ = write!(table, "| {name} | {rate} | {measured} |");
    for (_, new) in BALANCERS {
        let _ = write!(table, " {} |", show(mean(new, instances, rate, &of).await));
    }
    table.push('\n');
}
