//! Where layers register what they count.

use prometheus::core::Collector;
use prometheus::{Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Result};

/// Takes the metrics that a layer makes: a [`prometheus::Registry`], or something that only wants to know of them.
///
/// ```
/// use prometheus::core::Collector;
/// use user_info_layers::metrics::Register;
/// use user_info_layers::middleware::recovery::RecoveryLayer;
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
/// let names = Names(Default::default());
/// RecoveryLayer::new(&names, "greeter")?;
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
#[expect(clippy::missing_errors_doc, reason = "said once, above")]
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

    /// A histogram for each combination of labels, with these upper bounds of its buckets.
    pub fn histograms(&self, name: impl Into<String>, help: &str, buckets: &[f64], labels: &[&str]) -> Result<HistogramVec> {
        self.add(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels)?)
    }
}
