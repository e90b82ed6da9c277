//! Injects faults on purpose: aborts or delays a share of the calls.

mod settings;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwapOption;
use pin_project_lite::pin_project;
use prometheus::IntCounterVec;
use tokio::time::{Instant, Sleep};
use tower::{Layer, Service};

pub use settings::{Abort, Delay, Faults};

use crate::metrics::Register;
use crate::{Call, Error};

/// Injects faults that may change at any time.
///
/// ```
/// use tower::{Layer, ServiceExt};
/// use user_info_layers::middleware::fault::{Abort, FaultLayer, Faults};
/// use user_info_layers::{Call, Error, Kind};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let faults = FaultLayer::new(&prometheus::Registry::new(), "shop")?;
/// let service = faults.layer(tower::service_fn(async |_: Call<()>| Ok::<_, Error>("served")));
/// let always = Abort { percentage: 100.0, error: Error::OVERLOADED };
/// faults.configure(Some(Faults { abort: Some(always), ..Faults::default() }));
/// assert_eq!(service.oneshot(Call::new(Kind::Grpc, "/op", ())).await, Err(Error::OVERLOADED));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct FaultLayer {
    plan: Arc<ArcSwapOption<Plan>>,
    injected: IntCounterVec,
}

/// The faults in force, ready to be applied.
#[derive(Debug)]
struct Plan {
    abort: Option<(f64, Error)>,
    delay: Option<(f64, Duration)>,
    /// Reckoned once, so that a step of the wall clock does not matter.
    until: Option<Instant>,
}

impl Plan {
    fn new(faults: Faults) -> Self {
        let Faults { delay, abort, expires_at } = faults.clamped();
        let left = |at: SystemTime| at.duration_since(SystemTime::now()).unwrap_or_default();
        Self {
            abort: abort.map(|a| (a.percentage, a.error)),
            delay: delay.map(|d| (d.percentage, d.fixed_delay)),
            until: expires_at.map(|at| Instant::now() + left(at)),
        }
    }
}

impl FaultLayer {
    /// No faults, until they are [configured](Self::configure). Registers `<prefix>_faults_total`.
    ///
    /// # Errors
    /// If the registry has a metric of this name already.
    pub fn new(registry: &dyn Register, prefix: &str) -> prometheus::Result<Self> {
        let injected =
            registry.counters(format!("{prefix}_faults_total"), "Faults injected on purpose; a call may have both.", &["fault"])?;
        Ok(Self { plan: Arc::default(), injected })
    }

    /// Puts `faults` in force, or none.
    pub fn configure(&self, faults: Option<Faults>) {
        self.plan.store(faults.map(|faults| Arc::new(Plan::new(faults))));
    }
}

impl<S> Layer<S> for FaultLayer {
    type Service = Fault<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Fault { inner, layer: self.clone() }
    }
}

/// Injects faults before `S`.
#[derive(Debug, Clone)]
pub struct Fault<S> {
    inner: S,
    layer: FaultLayer,
}

impl<S> Fault<S> {
    /// The delay and the error that this call gets.
    fn draw(&self, now: Instant) -> (Option<Duration>, Option<Error>) {
        let plan = self.layer.plan.load();
        let Some(plan) = plan.as_deref().filter(|p| p.until.is_none_or(|until| now < until)) else { return (None, None) };
        let hit = |percentage: f64| fastrand::f64() * 100.0 < percentage;
        let delay = plan.delay.as_ref().filter(|d| hit(d.0)).map(|d| d.1);
        let abort = plan.abort.as_ref().filter(|a| hit(a.0)).map(|a| a.1.clone());
        (delay, abort)
    }

    fn count(&self, fault: &str) {
        self.layer.injected.with_label_values(&[fault]).inc();
    }
}

impl<S, M> Service<Call<M>> for Fault<S>
where
    S: Service<Call<M>, Error = Error> + Clone,
{
    type Response = S::Response;
    type Error = Error;
    type Future = ResponseFuture<S, M>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<M>) -> Self::Future {
        let (delay, abort) = self.draw(call.received);
        if abort.is_some() {
            self.count("abort");
        }
        let state = match (delay, abort) {
            (None, None) => State::Running { inner: self.inner.call(call) },
            (None, error) => State::Aborted { error },
            (Some(delay), abort) => {
                self.count("delay");
                let then = abort.map_or_else(|| Ok((self.inner.clone(), call)), Err);
                State::Delayed { delay: tokio::time::sleep(delay), then: Some(then) }
            }
        };
        ResponseFuture { state }
    }
}

pin_project! {
    /// Future of [`Fault`].
    pub struct ResponseFuture<S: Service<Call<M>>, M> {
        #[pin]
        state: State<S, M>,
    }
}

pin_project! {
    #[project = Projection]
    enum State<S: Service<Call<M>>, M> {
        // No fault, or the delay is over.
        Running {
            #[pin]
            inner: S::Future,
        },
        // Waits before it runs the call or aborts it.
        Delayed {
            #[pin]
            delay: Sleep,
            then: Option<Result<(S, Call<M>), Error>>,
        },
        // Fails at once.
        Aborted { error: Option<Error> },
    }
}

impl<S: Service<Call<M>>, M> fmt::Debug for ResponseFuture<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ResponseFuture") // the services it holds need not be printable
    }
}

impl<S, M> Future for ResponseFuture<S, M>
where
    S: Service<Call<M>, Error = Error>,
{
    type Output = Result<S::Response, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                Projection::Running { inner } => return inner.poll(cx),
                Projection::Aborted { error } => return Poll::Ready(Err(error.take().unwrap_or(Error::UNKNOWN))),
                // Delayed => Running | Aborted
                Projection::Delayed { delay, then } => {
                    ready!(delay.poll(cx));
                    match then.take() {
                        Some(Ok((mut service, call))) => State::Running { inner: service.call(call) },
                        Some(Err(error)) => State::Aborted { error: Some(error) },
                        None => return Poll::Ready(Err(Error::UNKNOWN)),
                    }
                }
            };
            state.set(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt;

    use super::*;
    use crate::Kind;

    async fn answer(layer: &FaultLayer) -> Result<(), Error> {
        let service = layer.layer(tower::service_fn(|_: Call<()>| std::future::ready(Ok::<_, Error>(()))));
        service.oneshot(Call::new(Kind::Grpc, "/op", ())).await
    }

    fn layer(faults: Faults) -> FaultLayer {
        let layer = FaultLayer::new(&prometheus::Registry::new(), "test").expect("registers");
        layer.configure(Some(faults));
        layer
    }

    #[tokio::test]
    async fn aborts_the_share_it_is_told_to() {
        let layer = layer(Faults { abort: Some(Abort { percentage: 50.0, ..Abort::default() }), ..Faults::default() });
        let mut failed = 0;
        for _ in 0..10_000 {
            match answer(&layer).await {
                Ok(()) => {}
                Err(error) => {
                    assert_eq!((error.code, &*error.reason, &*error.message), (500, "random error", "random error"));
                    failed += 1;
                }
            }
        }
        assert!((4700..5300).contains(&failed), "{failed} of 10000"); // 6 standard deviations
        layer.configure(None);
        assert_eq!(answer(&layer).await, Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn delays_and_then_aborts() {
        let delay = Some(Delay { fixed_delay: Duration::from_millis(300), percentage: 100.0 });
        let mut faults = Faults { delay, ..Faults::default() };
        let begun = Instant::now();
        let layer = layer(faults.clone());
        assert_eq!(answer(&layer).await, Ok(()));
        assert!((300..=301).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed()); // tokio's timer may round up
        faults.abort = Some(Abort { percentage: 100.0, error: Error::new(503, "DOWN", "") });
        layer.configure(Some(faults));
        let error = answer(&layer).await.expect_err("aborted");
        assert_eq!((error.code, &*error.reason), (503, "DOWN"));
        assert!(begun.elapsed() >= Duration::from_millis(600));
    }

    #[tokio::test(start_paused = true)]
    async fn ends_by_itself_when_it_expires() {
        let expires_at = Some(SystemTime::now() + Duration::from_secs(60));
        let layer = layer(Faults { abort: Some(Abort::default()), expires_at, ..Faults::default() });
        answer(&layer).await.expect_err("not yet expired");
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(answer(&layer).await, Ok(()));
    }
}
