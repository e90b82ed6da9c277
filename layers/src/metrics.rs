//! Where layers register what they count.

use prometheus::core::Collector;

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
    fn register(&self, metric: Box<dyn Collector>) -> prometheus::Result<()>;
}

impl Register for prometheus::Registry {
    fn register(&self, metric: Box<dyn Collector>) -> prometheus::Result<()> {
        Self::register(self, metric)
    }
}
