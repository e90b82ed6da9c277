//! Bounds what dependencies write into the log: h2, for one, warns of each frame that makes no sense, and a peer sends as many as it likes.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// What the names of our own crates and programs begin with.
const OURS: [&str; 2] = ["user_info", "user_client"];
/// Lines from INFO on that a dependency may write at once, and the time after which it may write one more.
const TERSE: (u32, Duration) = (20, Duration::from_millis(200));
/// The same for DEBUG and TRACE, which are written for someone who looks for something.
const VERBOSE: (u32, Duration) = (1000, Duration::from_millis(5));
/// Time between two lines that say how many were left out.
const SUMMARY: Duration = Duration::from_secs(1);

/// Whether a line comes from our own code.
pub fn is_ours(metadata: &Metadata<'_>) -> bool {
    OURS.iter().any(|name| metadata.target().starts_with(name))
}

/// Lets our own lines pass, and of each dependency's a bounded number.
///
/// These are 20 at once and 5 a second, and of lines at DEBUG and TRACE 1000 at once and 200 a second. What is left out is counted, and told by
/// a line each second.
#[derive(Debug, Clone)]
pub struct LogQuota {
    quotas: Arc<Quotas>,
}

#[derive(Debug)]
struct Quotas {
    dependencies: Mutex<HashMap<&'static str, Dependency>>,
    left_out: AtomicU64,
    /// Tells what was left out.
    teller: Thread,
}

#[derive(Debug, Default)]
struct Dependency {
    terse: Bucket,
    verbose: Bucket,
    left_out: u64,
}

impl LogQuota {
    /// A quota, and the thread that tells of what it left out.
    ///
    /// # Errors
    /// If the system has no thread left.
    pub fn start() -> std::io::Result<Self> {
        let (sender, receiver) = std::sync::mpsc::channel::<std::sync::Weak<Quotas>>();
        let thread = thread::Builder::new().name("log-quota".to_owned()).spawn(move || {
            let Ok(quotas) = receiver.recv() else { return };
            loop {
                thread::park();
                thread::sleep(SUMMARY);
                let Some(quotas) = quotas.upgrade() else { return };
                for (dependency, lines) in quotas.take() {
                    tracing::warn!(dependency, lines, "lines of a dependency left out, since there were too many");
                }
            }
        })?;
        let teller = thread.thread().clone();
        let quotas = Arc::new(Quotas { dependencies: Mutex::default(), left_out: AtomicU64::new(0), teller });
        // The thread waits for it, and has not ended.
        let _ = sender.send(Arc::downgrade(&quotas));
        Ok(Self { quotas })
    }

    /// Lines left out so far.
    pub fn left_out(&self) -> u64 {
        self.quotas.left_out.load(Relaxed)
    }
}

impl Quotas {
    /// Whether a line with this target and level may be written now.
    fn admit(&self, target: &'static str, level: Level, clock: impl FnOnce() -> Instant) -> bool {
        let name = target.split("::").next().unwrap_or(target);
        let mut dependencies = self.dependencies.lock().unwrap_or_else(PoisonError::into_inner);
        // Read under the lock: a time from before others took theirs would find too little left.
        let now = clock();
        let dependency = dependencies.entry(name).or_default();
        let admitted = if level <= Level::INFO { dependency.terse.take(TERSE, now) } else { dependency.verbose.take(VERBOSE, now) };
        if !admitted {
            dependency.left_out += 1;
            let first = dependency.left_out == 1;
            drop(dependencies);
            self.left_out.fetch_add(1, Relaxed);
            if first {
                self.teller.unpark();
            }
        }
        admitted
    }

    /// How many lines of which dependency were left out since this was last asked.
    fn take(&self) -> Vec<(&'static str, u64)> {
        let mut dependencies = self.dependencies.lock().unwrap_or_else(PoisonError::into_inner);
        let told = dependencies.iter_mut().map(|(name, dependency)| (*name, std::mem::take(&mut dependency.left_out)));
        told.filter(|(_, lines)| *lines > 0).collect()
    }
}

/// A layer of its own and no filter of another: tracing then still skips what is below the level without asking.
impl<S: Subscriber> Layer<S> for LogQuota {
    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let metadata = event.metadata();
        is_ours(metadata) || self.quotas.admit(metadata.target(), *metadata.level(), Instant::now)
    }
}

/// A token bucket, by the generic cell rate algorithm: all it knows is when it is full again.
#[derive(Debug, Default)]
struct Bucket {
    full: Option<Instant>,
}

impl Bucket {
    /// Takes one of at most `burst` tokens, of which there is one more each `interval`.
    fn take(&mut self, (burst, interval): (u32, Duration), now: Instant) -> bool {
        let full = self.full.map_or(now, |full| full.max(now)) + interval;
        let left = full.duration_since(now) <= interval * burst;
        if left {
            self.full = Some(full);
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn a_bucket_gives_its_burst_and_then_one_each_interval() {
        let (mut bucket, begin) = (Bucket::default(), Instant::now());
        let taken = |bucket: &mut Bucket, after: u64| {
            let now = begin + Duration::from_millis(after);
            std::iter::repeat_with(|| bucket.take(TERSE, now)).take(100).filter(|taken| *taken).count()
        };
        assert_eq!(taken(&mut bucket, 0), 20);
        assert_eq!(taken(&mut bucket, 199), 0);
        assert_eq!(taken(&mut bucket, 200), 1);
        assert_eq!(taken(&mut bucket, 1200), 5);
        assert_eq!(taken(&mut bucket, 3_600_000), 20);
    }

    #[test]
    fn a_dependency_is_bounded_and_no_other_pays_for_it() {
        let quota = LogQuota::start().expect("a thread");
        let now = Instant::now();
        let written = |target, level, lines: usize| (0..lines).filter(|_| quota.quotas.admit(target, level, || now)).count();
        assert_eq!(written("h2::proto::ping_pong", Level::WARN, 1000), 20);
        assert_eq!(written("h2::proto::streams", Level::WARN, 10), 0, "the modules of a dependency share its quota");
        assert_eq!(written("h2::codec", Level::TRACE, 2000), 1000, "what is for debugging is counted apart");
        assert_eq!(written("hyper::proto", Level::WARN, 10), 10);
        assert_eq!(quota.left_out(), 980 + 10 + 1000);
    }

    #[test]
    fn our_own_lines_all_pass_and_what_is_left_out_is_told() {
        let (lines, seen) = std::sync::mpsc::channel();
        let quota = LogQuota::start().expect("a thread");
        let subscriber = tracing_subscriber::registry().with(quota.clone()).with(Seen(lines));
        let dispatch = tracing::Dispatch::new(subscriber);
        tracing::dispatcher::with_default(&dispatch, || {
            for _ in 0..500 {
                tracing::warn!(target: "h2::proto", "nonsense");
                tracing::warn!(target: "user_info_services::server", "ours");
                tracing::warn!(target: "user_client", "ours");
            }
        });
        let seen: Vec<&str> = seen.try_iter().collect();
        assert_eq!(seen.iter().filter(|target| target.starts_with("user_")).count(), 1000);
        assert_eq!(seen.iter().filter(|target| target.starts_with("h2")).count(), 20);
        assert_eq!(quota.left_out(), 480);
    }

    /// Passes on the targets of the lines that are written.
    struct Seen(std::sync::mpsc::Sender<&'static str>);

    impl<S: Subscriber> Layer<S> for Seen {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let _ = self.0.send(event.metadata().target());
        }
    }
}
