//! Breakers before one service: in an outage, with faults, slow, flapping, and with many callers.

use std::fmt::Write;

use fastrand::Rng;

use crate::breakers::{Kinds, RATIO};
use crate::world::{Reply, Tenth, World};

/// What the picture shows of one rule.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) kind: Kinds,
    /// From two seconds before the end of an outage on, at 1000 calls a second.
    pub(crate) outage: Vec<Tenth>,
    /// From the time on that half of the calls fail, at 1000 calls a second.
    pub(crate) faults: Vec<Tenth>,
}

/// A service that answers within 10 ms, of whose replies this share is a success.
fn fast(success: f64) -> impl FnMut(f64, &mut Rng) -> Reply + Copy {
    move |_, rng| Reply { after: 0.001 + 0.009 * rng.f64(), success: rng.f64() < success }
}

fn passed(tenths: &[Tenth]) -> f64 {
    tenths.iter().map(|t| f64::from(t.passed)).sum()
}

/// Seconds until, from then on, 99 of 100 calls pass in each half of a second.
fn recovered(tenths: &[Tenth]) -> f64 {
    let sum = |five: &[Tenth], of: fn(&Tenth) -> u32| five.iter().map(|t| f64::from(of(t))).sum::<f64>();
    let all_pass = |five: &[Tenth]| sum(five, |t| t.passed) >= 0.99 * sum(five, |t| t.offered);
    let bad = tenths.windows(5).rposition(|five| !all_pass(five));
    bad.map_or(0.0, |at| (at + 1) as f64 / 10.0)
}

/// The largest rise from one tenth of a second to the next, of what is offered in the mean.
fn rise(tenths: &[Tenth], rate: f64) -> f64 {
    let rises = tenths.windows(2).map(|two| f64::from(two[1].passed) - f64::from(two[0].passed));
    rises.fold(0.0, f64::max) / (rate / 10.0)
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn ninth_of_ten(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() * 9 / 10 - 1]
}

/// The table, and what the picture shows.
pub(crate) async fn simulate() -> (String, Vec<Seen>) {
    let (mut seen, mut columns) = (Vec::new(), Vec::new());
    for kind in Kinds::ALL {
        let mut rows = Vec::new();
        outage(kind, &mut rows).await;
        faults(kind, &mut rows).await;
        nearly_well(kind, &mut rows).await;
        slow(kind, &mut rows).await;
        flapping(kind, &mut rows).await;
        many(kind, &mut rows).await;
        columns.push(rows);
        seen.push(shown(kind).await);
    }
    let mut table = "| scenario | measured |".to_owned();
    for kind in Kinds::ALL {
        let _ = write!(table, " {} |", kind.name());
    }
    table.push_str("\n|---|---|---:|---:|---:|---:|\n");
    for (row, (scenario, measured, _)) in columns[0].iter().enumerate() {
        let _ = write!(table, "| {scenario} | {measured} |");
        for column in &columns {
            let _ = write!(table, " {} |", column[row].2);
        }
        table.push('\n');
    }
    (table, seen)
}

type Rows = Vec<(String, &'static str, String)>;

fn world(kind: Kinds, seed: u64) -> World {
    World::new(vec![kind.rule()], seed)
}

async fn outage(kind: Kinds, rows: &mut Rows) {
    for (rate, seeds) in [(50.0, 8), (1000.0, 4), (20_000.0, 1)] {
        let (mut during, mut took, mut rose) = (Vec::new(), Vec::new(), Vec::new());
        for seed in 0..seeds {
            let mut world = world(kind, seed);
            world.run(rate, 5.0, fast(0.0)).await;
            during.push(passed(&world.run(rate, 10.0 + 0.3 * seed as f64, fast(0.0)).await) / (10.0 + 0.3 * seed as f64));
            let after = world.run(rate, 40.0, fast(1.0)).await;
            took.push(recovered(&after));
            rose.push(rise(&after, rate));
        }
        let scenario = format!("outage at {rate} calls/s");
        rows.push((scenario.clone(), "calls/s into it", format!("{:.1}", mean(&during))));
        rows.push((scenario.clone(), "s after it until 99 % pass, at most", format!("{:.1}", took.iter().copied().fold(0.0, f64::max))));
        if rate >= 1000.0 {
            rows.push((scenario, "largest rise within 0.1 s, of the calls", format!("{:.0} %", 100.0 * mean(&rose))));
        }
    }
}

async fn faults(kind: Kinds, rows: &mut Rows) {
    for (rate, seconds) in [(50.0, 1200.0), (200.0, 400.0), (1000.0, 300.0), (20_000.0, 30.0)] {
        let mut world = world(kind, 1);
        world.run(rate, 5.0, fast(0.5)).await;
        let calls = passed(&world.run(rate, seconds, fast(0.5)).await) / seconds;
        rows.push((format!("half of the calls fail, at {rate} calls/s"), "calls/s into it", format!("{calls:.1}")));
    }
}

async fn nearly_well(kind: Kinds, rows: &mut Rows) {
    for rate in [50.0, 1000.0] {
        let mut took = Vec::new();
        for seed in 0..60 {
            let mut world = world(kind, seed);
            world.run(rate, 5.0 + 0.1 * seed as f64, fast(0.0)).await;
            let after = world.run(rate, 30.0, fast(RATIO + 0.1)).await;
            took.push(after.iter().position(|t| t.closed).map_or(f64::INFINITY, |at| (at + 1) as f64 / 10.0));
        }
        let p90 = ninth_of_ten(took);
        let p90 = if p90.is_finite() { format!("{p90:.1}") } else { "over 30".to_owned() };
        rows.push((format!("70 % succeed after an outage, at {rate} calls/s"), "s until closed, in nine of ten runs", p90));
    }
}

/// Calls hang for the second that a caller waits; later on replies come, after half a second.
async fn slow(kind: Kinds, rows: &mut Rows) {
    const RATE: f64 = 1000.0;
    let mut world = world(kind, 1);
    let hanging = |_: f64, _: &mut Rng| Reply { after: 1.0, success: false };
    world.run(RATE, 5.0, hanging).await;
    let during = passed(&world.run(RATE, 10.0, hanging).await) / 10.0;
    let after = world.run(RATE, 60.0, |_, _| Reply { after: 0.5, success: true }).await;
    let scenario = "calls hang for 1 s, then replies after 0.5 s, at 1000 calls/s".to_owned();
    rows.push((scenario.clone(), "calls/s into it", format!("{during:.1}")));
    rows.push((scenario, "s after it until 99 % pass", format!("{:.1}", recovered(&after))));
}

async fn flapping(kind: Kinds, rows: &mut Rows) {
    const RATE: f64 = 1000.0;
    let mut world = world(kind, 1);
    let ill = |second: f64| second % 6.0 < 3.0;
    let seen = world.run(RATE, 120.0, |second, rng| Reply { after: 0.001 + 0.009 * rng.f64(), success: !ill(second) }).await;
    let failed: f64 = seen.iter().map(|t| f64::from(t.failed)).sum();
    let served = passed(&seen) - failed;
    let scenario = "3 s ill, 3 s well, in turns, at 1000 calls/s".to_owned();
    rows.push((scenario.clone(), "calls/s that fail", format!("{:.1}", failed / 120.0)));
    rows.push((scenario, "calls served of those that could be", format!("{:.0} %", 100.0 * served / (RATE * 60.0))));
}

/// After an outage the service bears a tenth of the load, and all of it 10 s later. What is above that fails.
async fn many(kind: Kinds, rows: &mut Rows) {
    const RATE: f64 = 2000.0;
    let mut world = World::new((0..10).map(|_| kind.rule()).collect(), 1);
    world.run(RATE, 15.0, fast(0.0)).await;
    let (mut tenth, mut calls) = (0, 0.0);
    let after = world
        .run(RATE, 60.0, |second, rng| {
            let now = (second * 10.0) as u64;
            (tenth, calls) = if now == tenth { (tenth, calls + 1.0) } else { (now, 1.0) };
            let borne = RATE / 10.0 * 1.2 * (0.1 + 0.09 * second).min(1.0);
            Reply { after: 0.001 + 0.009 * rng.f64(), success: calls <= borne }
        })
        .await;
    let failed: f64 = after.iter().map(|t| f64::from(t.failed)).sum();
    let most = after[..10].iter().map(|t| f64::from(t.passed)).fold(0.0, f64::max) / (RATE / 10.0);
    let scenario = "ten callers, a service that bears a tenth of 2000 calls/s after an outage and all 10 s later".to_owned();
    rows.push((scenario.clone(), "most calls in 0.1 s of the first second, of those offered", format!("{:.0} %", 100.0 * most)));
    rows.push((scenario.clone(), "calls that fail", format!("{failed:.0}")));
    rows.push((scenario, "s until 99 % pass", format!("{:.1}", recovered(&after))));
}

async fn shown(kind: Kinds) -> Seen {
    const RATE: f64 = 1000.0;
    let mut world_ = world(kind, 2);
    world_.run(RATE, 8.0, fast(0.0)).await;
    let mut outage = world_.run(RATE, 2.0, fast(0.0)).await;
    outage.extend(world_.run(RATE, 28.0, fast(1.0)).await);
    let faults = world(kind, 3).run(RATE, 60.0, fast(0.5)).await;
    Seen { kind, outage, faults }
}
