//! Circuit breaker: refuses calls locally while the service fails, one breaker an operation.
//!
//! Two modes: [`Mode::Kratos`] is Google's adaptive throttling as Go-Kratos has it; [`Mode::Bounded`] opens by the same
//! formula, lets a few probes a second through while it is open, and more step by step as they meet the ratio, until it closes.
//! `docs/breaker.md` of the repository compares them, and others, in simulation.

mod bounded;
mod circuit;
mod evidence;
mod kratos;
mod settings;
mod window;

use std::sync::Arc;
use std::task::{Context, Poll};

use arc_swap::ArcSwap;
use prometheus::{IntCounterVec, IntGaugeVec};
use std::future::{Ready, ready};
use tokio::time::Instant;
use tokio_util::either::Either;
use tower::{Layer, Service};

use crate::guard::{Guard, Guarded, Outcome};
use crate::metrics::Register;
use crate::{Call, Error};
use circuit::{Admission, Circuit};
pub use settings::{BreakerSettings, Mode};

/// Metrics of the breakers.
#[derive(Debug, Clone)]
pub struct BreakerMetrics {
    state: IntGaugeVec,
    rejections: IntCounterVec,
    transitions: IntCounterVec,
}

impl BreakerMetrics {
    /// Registers `<prefix>_breaker_state` (0 closed, 1 open), `…_rejections_total` and `…_transitions_total`.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn new(registry: &dyn Register, prefix: &str) -> prometheus::Result<Self> {
        let name = |suffix| format!("{prefix}_breaker_{suffix}");
        let operation = &["operation"];
        Ok(Self {
            state: registry.gauges(name("state"), "State of the circuit breaker: 0 closed, 1 open.", operation)?,
            rejections: registry.counters(name("rejections_total"), "Calls that the circuit breaker refused.", operation)?,
            transitions: registry.counters(
                name("transitions_total"),
                "Times the circuit breaker opened or closed.",
                &["operation", "to"],
            )?,
        })
    }
}

/// Adds a breaker to a service. Clones share the breakers.
///
/// ```
/// use tower::{Layer, Service};
/// use user_info_layers::middleware::breaker::{BreakerLayer, BreakerMetrics, BreakerSettings};
/// use user_info_layers::{Call, Error, Kind};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let metrics = BreakerMetrics::new(&prometheus::Registry::new(), "shop_client")?;
/// let breaker = BreakerLayer::new(BreakerSettings { minimum_requests: 10, ..BreakerSettings::default() }, metrics);
/// let mut service = breaker.layer(tower::service_fn(async |_: Call<()>| Err::<(), _>(Error::UNKNOWN)));
/// for _ in 0..10 {
///     assert_eq!(service.call(Call::new(Kind::Grpc, "/op", ())).await, Err(Error::UNKNOWN));
/// }
/// assert_eq!(service.call(Call::new(Kind::Grpc, "/op", ())).await, Err(Error::CIRCUITBREAKER));
/// assert_eq!(breaker.open(), ["/op"]);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct BreakerLayer {
    breakers: Arc<Breakers>,
}

#[derive(Debug)]
struct Breakers {
    metrics: BreakerMetrics,
    settings: ArcSwap<BreakerSettings>,
    /// Grows by copying: operations are few and known, calls many.
    circuits: ArcSwap<Vec<(&'static str, Arc<Circuit>)>>,
}

impl BreakerLayer {
    /// A breaker with these settings.
    pub fn new(settings: BreakerSettings, metrics: BreakerMetrics) -> Self {
        let breakers = Breakers { metrics, settings: ArcSwap::from_pointee(settings.clamped()), circuits: ArcSwap::default() };
        Self { breakers: Arc::new(breakers) }
    }

    /// Puts other settings in force. Another mode or window, or switching it off, starts anew with closed breakers; the rest takes
    /// effect in the state they are in.
    pub fn configure(&self, settings: BreakerSettings) {
        let settings = settings.clamped();
        self.breakers.settings.store(Arc::new(settings));
        for (_, circuit) in self.breakers.circuits.load().iter() {
            circuit.configure(settings, Instant::now());
        }
    }

    /// Operations whose breaker is open.
    pub fn open(&self) -> Vec<&'static str> {
        self.breakers.circuits.load().iter().filter(|(_, c)| c.is_open()).map(|(operation, _)| *operation).collect()
    }
}

impl Breakers {
    fn circuit(&self, operation: &'static str) -> Arc<Circuit> {
        let find = |circuits: &Vec<(&'static str, Arc<Circuit>)>| {
            circuits.iter().find(|(name, _)| std::ptr::eq(*name, operation) || *name == operation).map(|(_, c)| Arc::clone(c))
        };
        if let Some(circuit) = find(&self.circuits.load()) {
            return circuit;
        }
        let new = Arc::new(Circuit::new(**self.settings.load(), &self.metrics, operation, Instant::now()));
        self.circuits.rcu(|circuits| {
            let mut circuits = Vec::clone(circuits);
            if find(&circuits).is_none() {
                circuits.push((operation, Arc::clone(&new)));
            }
            circuits
        });
        find(&self.circuits.load()).unwrap_or(new)
    }
}

impl<S> Layer<S> for BreakerLayer {
    type Service = Breaker<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Breaker { inner, breakers: Arc::clone(&self.breakers) }
    }
}

/// Calls `S` unless the operation's breaker refuses.
#[derive(Debug, Clone)]
pub struct Breaker<S> {
    inner: S,
    breakers: Arc<Breakers>,
}

impl<S, M> Service<Call<M>> for Breaker<S>
where
    S: Service<Call<M>, Error = Error>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = Either<Ready<Result<S::Response, Error>>, Guarded<S::Future, Admitted>>;

    // The breaker refuses in `call`: an error here would mean that the service is gone for good.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<M>) -> Self::Future {
        let circuit = self.breakers.circuit(call.operation);
        match circuit.admit(call.received, fastrand::f64()) {
            Some(admission) => Either::Right(Guarded::new(self.inner.call(call), Admitted { circuit, admission })),
            None => Either::Left(ready(Err(Error::CIRCUITBREAKER))),
        }
    }
}

/// A call that the breaker let pass, and whose end it waits for.
#[derive(Debug)]
pub struct Admitted {
    circuit: Arc<Circuit>,
    admission: Admission,
}

impl Guard for Admitted {
    fn done(self, outcome: Outcome<'_>) {
        let success = match outcome {
            Outcome::Success => Some(true),
            Outcome::Failure(error) => Some(!error.is_failure()),
            Outcome::Canceled => None,
        };
        self.circuit.done(&self.admission, success, Instant::now());
    }
}

#[cfg(test)]
mod tests;
