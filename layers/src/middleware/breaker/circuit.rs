//! The breaker of one operation: its settings, window and state, in either mode.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus::{IntCounter, IntGauge};
use tokio::time::Instant;

use super::bounded::{Bounded, Progress};
use super::evidence::Weights;
use super::kratos::{rejection, trips};
use super::window::Window;
use super::{BreakerMetrics, BreakerSettings, Mode};
use crate::time::{nanos, nanos_since};

/// The breaker of one operation.
#[derive(Debug)]
pub(super) struct Circuit {
    rules: ArcSwap<Rules>,
    /// Whether calls are being refused, as the metrics have it.
    refusing: AtomicBool,
    state: IntGauge,
    rejections: IntCounter,
    opened: IntCounter,
    closed: IntCounter,
}

/// Settings in force and the counts made under them.
#[derive(Debug)]
struct Rules {
    settings: BreakerSettings,
    weights: Weights,
    counts: Arc<Counts>,
}

/// Outlives a change of settings that does not change what is counted.
#[derive(Debug)]
struct Counts {
    /// Tells them from the breaker's earlier ones.
    number: u64,
    start: Instant,
    window: Window,
    bounded: Bounded,
}

/// What was decided about a call that passed; given back when it ends.
#[derive(Debug)]
pub(super) struct Admission {
    /// [`Counts::number`]; none: the breaker is off.
    counts: Option<u64>,
    generation: u32,
    /// The stage it passed in as a probe.
    probe: Option<u8>,
}

impl Counts {
    fn new(number: u64, window: Duration, now: Instant) -> Self {
        Self { number, start: now, window: Window::new(window, now), bounded: Bounded::default() }
    }

    fn nanos(&self, now: Instant) -> u64 {
        nanos_since(self.start, now)
    }
}

impl Rules {
    fn new(settings: BreakerSettings, counts: Arc<Counts>) -> Self {
        Self { settings, weights: Weights::of(settings.success_ratio), counts }
    }

    /// Whether what was counted under these rules still counts under `settings`.
    fn count_alike(&self, settings: &BreakerSettings) -> bool {
        let same = |s: &BreakerSettings| (s.enabled, s.mode, s.window);
        same(&self.settings) == same(settings)
    }

    fn k(&self) -> f64 {
        1.0 / self.settings.success_ratio
    }

    /// Nanoseconds between probes in the first stage.
    fn probe_interval(&self) -> u64 {
        nanos(Duration::from_secs(1)) / u64::from(self.settings.probes_per_second.max(1))
    }
}

impl Circuit {
    pub(super) fn new(settings: BreakerSettings, metrics: &BreakerMetrics, operation: &str, now: Instant) -> Self {
        Self {
            rules: ArcSwap::from_pointee(Rules::new(settings, Arc::new(Counts::new(0, settings.window, now)))),
            refusing: AtomicBool::new(false),
            state: metrics.state.with_label_values(&[operation]),
            rejections: metrics.rejections.with_label_values(&[operation]),
            opened: metrics.transitions.with_label_values(&[operation, "open"]),
            closed: metrics.transitions.with_label_values(&[operation, "closed"]),
        }
    }

    pub(super) fn configure(&self, settings: BreakerSettings, now: Instant) {
        let old = self.rules.rcu(|old| {
            let anew = || Arc::new(Counts::new(old.counts.number + 1, settings.window, now));
            Rules::new(settings, if old.count_alike(&settings) { Arc::clone(&old.counts) } else { anew() })
        });
        if !old.count_alike(&settings) {
            self.show(false);
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.refusing.load(Relaxed)
    }

    /// Whether a call may pass. `random` is uniform in 0 to 1.
    pub(super) fn admit(&self, now: Instant, random: f64) -> Option<Admission> {
        let rules = self.rules.load();
        let admission = match (rules.settings.enabled, rules.settings.mode) {
            (false, _) => Some(Admission { counts: None, generation: 0, probe: None }),
            (true, Mode::Kratos) => self.admit_kratos(&rules, now, random),
            (true, Mode::Bounded) => Self::admit_bounded(&rules, now),
        };
        if admission.is_none() {
            self.rejections.inc();
        }
        admission
    }

    fn admit_kratos(&self, rules: &Rules, now: Instant, random: f64) -> Option<Admission> {
        let window = &rules.counts.window;
        let rejection = rejection(window.sums(now), rules.k(), rules.settings.minimum_requests);
        self.show(rejection > 0.0);
        if random < rejection {
            // Its own refusals count as failures: that is what makes this mode slow to recover.
            window.add(false, now);
            return None;
        }
        Some(Admission { counts: Some(rules.counts.number), generation: 0, probe: None })
    }

    fn admit_bounded(rules: &Rules, now: Instant) -> Option<Admission> {
        let counts = &rules.counts;
        let state = counts.bounded.state();
        let passes = !state.open || counts.bounded.probe(state, counts.nanos(now), rules.probe_interval());
        let probe = state.open.then_some(state.stage);
        passes.then(|| Admission { counts: Some(counts.number), generation: state.generation, probe })
    }

    /// Notes how a call ended that was admitted: `None` if it was canceled, of which nothing is learnt.
    pub(super) fn done(&self, admission: &Admission, success: Option<bool>, now: Instant) {
        let Some(number) = admission.counts else { return };
        let rules = self.rules.load();
        if number != rules.counts.number {
            return;
        }
        let counts = &rules.counts;
        match (rules.settings.mode, success, admission.probe) {
            (_, None, _) => {}
            (Mode::Kratos, Some(success), _) => counts.window.add(success, now),
            (Mode::Bounded, Some(success), Some(stage)) => {
                let progress = counts.bounded.probed(admission.generation, stage, success, rules.weights, counts.nanos(now));
                self.note(&counts.window, progress, success, now);
            }
            (Mode::Bounded, Some(success), None) => self.count_bounded(&rules, admission, success, now),
        }
    }

    /// Notes what a probe has led to. The window of the closed breaker begins with the ramp, and knows nothing of what was before.
    fn note(&self, window: &Window, progress: Progress, success: bool, now: Instant) {
        if progress == Progress::RampBegun {
            window.reset();
        }
        if matches!(progress, Progress::RampBegun | Progress::Ramping | Progress::Closed) {
            window.add(success, now);
        }
        if progress == Progress::Closed {
            self.show(false);
        }
    }

    /// Counts a call that passed a closed breaker. Closed => Open, if it was one failure too many.
    fn count_bounded(&self, rules: &Rules, admission: &Admission, success: bool, now: Instant) {
        let counts = &rules.counts;
        let state = counts.bounded.state();
        if state.open || state.generation != admission.generation {
            return;
        }
        counts.window.add(success, now);
        let too_many = || trips(counts.window.sums(now), rules.k(), rules.settings.minimum_requests);
        if !success && too_many() && counts.bounded.open(state, counts.nanos(now)) {
            self.show(true);
        }
    }

    fn show(&self, open: bool) {
        if self.refusing.load(Relaxed) != open && self.refusing.swap(open, Relaxed) != open {
            self.state.set(i64::from(open));
            if open { &self.opened } else { &self.closed }.inc();
            tracing::info!(open, "circuit breaker");
        }
    }
}
