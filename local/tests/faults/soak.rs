//! The faults of this folder at random, one after the other, with what always has to hold checked after each.
//!
//! `make soak SECONDS=600 SEED=7` runs it for ten minutes; the same seed makes the same faults in the same order.

mod fault;
mod invariant;
mod unfinished;
mod world;

use std::time::Duration;

use tokio::time::Instant;

use self::fault::Fault;
use self::world::World;
use crate::setting::number;

#[tokio::test]
#[ignore = "runs for as long as it is told: make soak"]
async fn random_faults_leave_the_system_as_it_was() {
    let time = Duration::from_secs(number("SOAK_SECONDS").unwrap_or(120));
    let seed = number("SOAK_SEED").unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("soak: {} s, SEED={seed}", time.as_secs());
    let mut random = fastrand::Rng::with_seed(seed);
    let mut world = World::start().await;
    let (mut faults, mut checked, mut failed) = (0, 0, Vec::new());
    let mut bag: Vec<Fault> = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < time {
        // Each comes once before any comes again.
        if bag.is_empty() {
            bag = Fault::ALL.to_vec();
            random.shuffle(&mut bag);
        }
        let fault = bag.pop().expect("filled");
        let injected = Instant::now();
        world.inject(fault, &mut random).await;
        let ended = Instant::now();
        let outcome = invariant::all(&mut world).await;
        faults += 1;
        checked += outcome.checked;
        println!(
            "{:6.1} s  {fault}: {}; well {:.1} s after its end",
            begun.elapsed().as_secs_f64(),
            world.watch().cost(injected),
            ended.elapsed().as_secs_f64()
        );
        for why in outcome.failed {
            println!("          FAILED after {fault}: {why}");
            failed.push(why);
        }
    }
    println!("soak: {faults} faults, {checked} invariants checked, {} failed (SEED={seed})", failed.len());
    assert!(failed.is_empty(), "{failed:#?}");
}
