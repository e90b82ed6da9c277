//! Refuses calls beyond a rate: 429 RATELIMIT.

mod bbr;
mod clients;
mod gcra;
mod settings;

use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use arc_swap::ArcSwapOption;
use prometheus::{Gauge, IntCounterVec};
use std::future::{Ready, ready};
use tokio::time::Instant;
use tokio_util::either::Either;
use tower::{Layer, Service};

pub use bbr::{Bbr, CpuMeter};
use clients::Clients;
pub use gcra::Gcra;
pub use settings::{CallerRate, Limit, Scope, TokenBucket};

use crate::guard::Guarded;
use crate::metrics::Register;
use crate::{Call, Error};

/// Name of the header in which Kratos services say who they are.
const CALLER: &str = "x-md-service-name";

/// What decides about a call.
#[derive(Debug)]
enum Limiter {
    Instance(Gcra),
    Client(Clients),
    Bbr(Arc<Bbr>),
}

/// Refuses calls beyond a rate that may change at any time.
///
/// ```
/// use tower::{Layer, Service};
/// use user_info_layers::middleware::rate_limit::{RateLimitLayer, TokenBucket};
/// use user_info_layers::{Call, Error, Kind};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limit = RateLimitLayer::new(&prometheus::Registry::new(), "shop", Default::default())?;
/// limit.configure(Some(TokenBucket { requests_per_second: 1, ..TokenBucket::default() }.into()));
/// let mut service = limit.layer(tower::service_fn(async |_: Call<()>| Ok::<_, Error>("served")));
/// assert_eq!(service.call(Call::new(Kind::Grpc, "/op", ())).await, Ok("served"));
/// assert_eq!(service.call(Call::new(Kind::Grpc, "/op", ())).await, Err(Error::RATELIMIT));
///
/// limit.configure(None); // in force with the next call
/// assert_eq!(service.call(Call::new(Kind::Grpc, "/op", ())).await, Ok("served"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RateLimitLayer(Arc<LiveLimiter>);

#[derive(Debug)]
struct LiveLimiter {
    limiter: ArcSwapOption<Limiter>,
    in_force: Mutex<Option<Limit>>,
    cpu: Arc<CpuMeter>,
    metrics: Metrics,
}

#[derive(Debug)]
struct Metrics {
    decisions: IntCounterVec,
    rate: Gauge,
}

impl RateLimitLayer {
    /// A limiter that lets every call pass until it is [configured](Self::configure). Registers
    /// `<prefix>_limiter_decisions_total` and `<prefix>_limiter_limit`; `cpu` serves BBR.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn new(registry: &dyn Register, prefix: &str, cpu: Arc<CpuMeter>) -> prometheus::Result<Self> {
        let name = |suffix| format!("{prefix}_limiter_{suffix}");
        let decisions = registry.counters(name("decisions_total"), "Calls that an enabled limiter let pass or refused.", &["decision"])?;
        let rate = registry.float_gauge(name("limit"), "Calls a second that the token bucket allows; 0 if none is in force.")?;
        let live = LiveLimiter { limiter: ArcSwapOption::empty(), in_force: Mutex::default(), cpu, metrics: Metrics { decisions, rate } };
        Ok(Self(Arc::new(live)))
    }

    /// Puts `limit` in force, or none; the same again keeps the bucket as it is.
    pub fn configure(&self, limit: Option<Limit>) {
        let limit = limit.map(Limit::clamped);
        let mut in_force = self.0.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        if *in_force == limit {
            return;
        }
        let limiter = limit.as_ref().map(|limit| match limit {
            Limit::Bbr => Limiter::Bbr(Arc::new(Bbr::new(Arc::clone(&self.0.cpu)))),
            Limit::TokenBucket(b) if b.scope == Scope::Instance && b.overrides.is_empty() => {
                Limiter::Instance(Gcra::new(b.requests_per_second, b.burst))
            }
            Limit::TokenBucket(b) => Limiter::Client(Clients::new(b)),
        });
        let rate = if let Some(Limit::TokenBucket(b)) = &limit { b.requests_per_second } else { 0 };
        self.0.metrics.rate.set(rate.into());
        self.0.limiter.store(limiter.map(Arc::new));
        *in_force = limit;
    }
}

impl<S> Layer<S> for RateLimitLayer {
    type Service = RateLimit<S>;

    fn layer(&self, inner: S) -> Self::Service {
        let decisions = &self.0.metrics.decisions;
        RateLimit {
            inner,
            live: Arc::clone(&self.0),
            allowed: decisions.with_label_values(&["allowed"]),
            refused: decisions.with_label_values(&["refused"]),
        }
    }
}

/// Refuses calls to `S` beyond a rate.
#[derive(Debug, Clone)]
pub struct RateLimit<S> {
    inner: S,
    live: Arc<LiveLimiter>,
    allowed: prometheus::IntCounter,
    refused: prometheus::IntCounter,
}

impl<S, M> Service<Call<M>> for RateLimit<S>
where
    S: Service<Call<M>, Error = Error>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = Either<Ready<Result<S::Response, Error>>, Guarded<S::Future, Option<bbr::Permit>>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<M>) -> Self::Future {
        let limiter = self.live.limiter.load();
        let permit = match limiter.as_deref() {
            None => return Either::Right(Guarded::new(self.inner.call(call), None)),
            Some(Limiter::Instance(bucket)) => bucket.admit(call.received, Instant::now).then_some(None),
            Some(Limiter::Client(clients)) => {
                let caller = call.metadata.get(CALLER).and_then(|v| v.to_str().ok()).unwrap_or_default();
                clients.allow(caller, call.received).then_some(None)
            }
            Some(Limiter::Bbr(bbr)) => bbr.admit(call.received).map(Some),
        };
        let Some(permit) = permit else {
            self.refused.inc();
            return Either::Left(ready(Err(Error::RATELIMIT)));
        };
        self.allowed.inc();
        Either::Right(Guarded::new(self.inner.call(call), permit))
    }
}

#[cfg(test)]
mod tests;
