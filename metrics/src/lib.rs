//! Declares a metric in one call: name, help text, labels and buckets stand once, for the program that counts and for whoever lists what it counts.

use prometheus::core::Collector;
use prometheus::{Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Result};

/// Takes the metrics that something makes: a [`prometheus::Registry`], or something that only wants to know of them.
///
/// ```
/// use prometheus::core::Collector;
/// use user_info_metrics::Register;
///
/// struct Names(std::sync::Mutex<Vec<String>>);
///
/// impl Register for Names {
///     fn register(&self, metric: Box<dyn Collector>) -> prometheus::Result<()> {
///         self.0.lock().unwrap().extend(metric.desc().iter().map(|desc| desc.fq_name.clone()));
///         Ok(())
///     }
/// }
///
/// fn panics(registry: &dyn Register) -> prometheus::Result<prometheus::IntCounter> {
///     registry.counter("greeter_panics_total", "Calls whose handler panicked.")
/// }
///
/// panics(&prometheus::Registry::new())?.inc();
/// let names = Names(Default::default());
/// panics(&names)?;
/// assert_eq!(*names.0.lock().unwrap(), ["greeter_panics_total"]);
/// # Ok::<(), prometheus::Error>(())
/// ```
pub trait Register {
    /// Adds a metric.
    ///
    /// # Errors
    /// If it has one of this name already.
    fn register(&self, metric: Box<dyn Collector>) -> Result<()>;
}

impl Register for prometheus::Registry {
    fn register(&self, metric: Box<dyn Collector>) -> Result<()> {
        Self::register(self, metric)
    }
}

/// Makes metrics and adds them. Each fails if there is one of this name already, or the name is none.
impl dyn Register + '_ {
    /// Adds `metric`.
    pub fn add<M: Collector + Clone + 'static>(&self, metric: M) -> Result<M> {
        self.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    /// A counter.
    pub fn counter(&self, name: impl Into<String>, help: &str) -> Result<IntCounter> {
        self.add(IntCounter::new(name, help)?)
    }

    /// A counter for each combination of labels.
    pub fn counters(&self, name: impl Into<String>, help: &str, labels: &[&str]) -> Result<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?)
    }

    /// A gauge of whole numbers.
    pub fn gauge(&self, name: impl Into<String>, help: &str) -> Result<IntGauge> {
        self.add(IntGauge::new(name, help)?)
    }

    /// A gauge of whole numbers for each combination of labels.
    pub fn gauges(&self, name: impl Into<String>, help: &str, labels: &[&str]) -> Result<IntGaugeVec> {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }

    /// A gauge of numbers that need not be whole.
    pub fn float_gauge(&self, name: impl Into<String>, help: &str) -> Result<Gauge> {
        self.add(Gauge::new(name, help)?)
    }

    /// A histogram with these upper bounds of its buckets.
    pub fn histogram(&self, name: impl Into<String>, help: &str, buckets: &[f64]) -> Result<Histogram> {
        self.add(Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.to_vec()))?)
    }

    /// A histogram for each combination of labels, with these upper bounds of its buckets.
    pub fn histograms(&self, name: impl Into<String>, help: &str, buckets: &[f64], labels: &[&str]) -> Result<HistogramVec> {
        self.add(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)?)
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Registry, TextEncoder};

    use super::*;

    #[test]
    fn what_is_made_is_shown_and_a_name_is_taken_once() {
        let shown = Registry::new();
        let registry: &dyn Register = &shown;
        let calls = registry.counters("calls_total", "Calls.", &["code"]).expect("a name of its own");
        let sizes = registry.histogram("size", "Sizes.", &[1.0, 8.0]).expect("a name of its own");
        calls.with_label_values(&["0"]).inc();
        sizes.observe(2.0);
        let text = TextEncoder::new().encode_to_string(&shown.gather()).expect("encodes");
        for line in [r#"calls_total{code="0"} 1"#, r#"size_bucket{le="1"} 0"#, r#"size_bucket{le="8"} 1"#, "# HELP size Sizes."] {
            assert!(text.contains(line), "{line}\nnot in\n{text}");
        }
        assert!(registry.gauge("size", "Another.").is_err());
        assert!(registry.gauge("no name", "Blanks are not allowed.").is_err());
    }
}
