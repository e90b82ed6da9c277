//! An adaptive limiter in the manner of BBR, as in Kratos (go-kratos/aegis `ratelimit/bbr`).
//!
//! While the CPU is busy, or was when the last call was refused, it lets as many calls be in flight as the best recent throughput
//! needs at the best recent latency.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::guard::{Guard, Outcome};
use crate::room::Room;
use crate::sync::Mutex;
use crate::time::{nanos, nanos_since};

const BUCKETS: usize = 100;
const BUCKET: Duration = Duration::from_millis(100);
const BUCKETS_PER_SECOND: f64 = 10.0;
/// CPU use from which on calls are refused, of 1000.
const BUSY: u64 = 800;
/// Calls in flight below which none is refused, however busy the machine is.
const ALWAYS: usize = 2;
/// How long the limiter stays alert after a refusal.
pub(super) const COOL_OFF: Duration = Duration::from_secs(1);
/// Time between looks at the CPU.
const CPU_INTERVAL: Duration = Duration::from_millis(500);
/// Weight of the past in the CPU's moving average.
const CPU_DECAY: f64 = 0.95;

/// CPU use of this process, of 1000, relative to the CPUs it may use; a moving average of about 10 s.
#[derive(Debug, Default)]
pub struct CpuMeter(AtomicU64);

impl CpuMeter {
    /// CPU use, 0 to 1000.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the CPU use, 0 to 1000.
    pub fn set(&self, used: u64) {
        self.0.store(used, Ordering::Relaxed);
    }

    /// Measures every 500 ms, for ever.
    pub async fn run(self: Arc<Self>) {
        let cpus = std::thread::available_parallelism().map_or(1.0, |n| n.get() as f64);
        let mut average = 0.0;
        let mut last = (Instant::now(), cpu_time());
        loop {
            tokio::time::sleep(CPU_INTERVAL).await;
            let now = (Instant::now(), cpu_time());
            let used = now.1.saturating_sub(last.1).as_secs_f64() / (now.0 - last.0).as_secs_f64().max(1e-3) / cpus;
            average = average * CPU_DECAY + (used * 1000.0).min(1000.0) * (1.0 - CPU_DECAY);
            self.set(average as u64);
            last = now;
        }
    }
}

/// CPU time of this process so far.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The limiter.
#[derive(Debug)]
pub struct Bbr {
    cpu: Arc<CpuMeter>,
    in_flight: Room,
    window: Mutex<Window>,
}

#[derive(Debug)]
struct Window {
    epoch: Instant,
    /// Calls ended, and their latencies in ms added up, by bucket.
    buckets: [(u64, f64); BUCKETS],
    /// Bucket of the last call, counted from `epoch`.
    current: u64,
    last_refusal: Option<Instant>,
}

impl Bbr {
    /// A limiter that asks `cpu` whether the machine is busy.
    pub fn new(cpu: Arc<CpuMeter>) -> Self {
        let window = Window { epoch: Instant::now(), buckets: [(0, 0.0); BUCKETS], current: 0, last_refusal: None };
        Self { cpu, in_flight: Room::default(), window: Mutex::new(window) }
    }

    /// A permit for one call, unless the limiter refuses it.
    pub fn admit(self: &Arc<Self>, now: Instant) -> Option<Permit> {
        // Workers that ask at once are counted one after the other: looking at the count and adding to it later would let all of them in.
        if !self.in_flight.take(1, ALWAYS) {
            let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
            let busy = self.cpu.get() >= BUSY;
            let alert = window.last_refusal.is_some_and(|at| now.saturating_duration_since(at) <= COOL_OFF);
            // The call beyond what is needed is let in, too, as in Kratos.
            let most = if busy || alert { ALWAYS.max(window.max_in_flight(now) as usize + 1) } else { usize::MAX };
            if !self.in_flight.take(1, most) {
                if busy {
                    window.last_refusal = window.last_refusal.max(Some(now));
                }
                return None;
            }
        }
        Some(Permit { bbr: Arc::clone(self), begun: now })
    }
}

impl Window {
    /// Moves on to the bucket of `now`, emptying what has expired.
    fn advance(&mut self, now: Instant) -> usize {
        let bucket = nanos_since(self.epoch, now) / nanos(BUCKET);
        for passed in (self.current + 1..=bucket).rev().take(BUCKETS) {
            self.buckets[passed as usize % BUCKETS] = (0, 0.0);
        }
        self.current = self.current.max(bucket);
        self.current as usize % BUCKETS
    }

    /// Calls in flight that the best bucket needs at the best latency; the running bucket does not count.
    fn max_in_flight(&mut self, now: Instant) -> f64 {
        let current = self.advance(now);
        let past = || self.buckets.iter().enumerate().filter(|(i, b)| *i != current && b.0 > 0).map(|(_, b)| b);
        let max_pass = past().map(|b| b.0).max().unwrap_or(1) as f64;
        let min_latency = past().map(|b| (b.1 / b.0 as f64).ceil().max(1.0)).reduce(f64::min).unwrap_or(1.0);
        (max_pass * min_latency * BUCKETS_PER_SECOND / 1000.0).floor()
    }
}

/// A call that the limiter let pass.
#[derive(Debug)]
pub struct Permit {
    bbr: Arc<Bbr>,
    begun: Instant,
}

impl Guard for Permit {
    fn done(self, outcome: Outcome<'_>) {
        self.bbr.in_flight.give_back(1);
        if matches!(outcome, Outcome::Canceled) {
            return; // how long it would have taken is not known
        }
        let now = Instant::now();
        let mut window = self.bbr.window.lock().unwrap_or_else(PoisonError::into_inner);
        let current = window.advance(now);
        let (count, latency) = &mut window.buckets[current];
        *count += 1;
        *latency += now.saturating_duration_since(self.begun).as_secs_f64() * 1000.0;
    }
}
