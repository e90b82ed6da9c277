//! Turns a panic of the handler into an error, as Kratos' recovery does.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use prometheus::IntCounter;
use std::future::{Ready, ready};
use tokio_util::either::Either;
use tower::{Layer, Service};

use crate::metrics::Register;
use crate::{Call, Error};

/// Answers 500 UNKNOWN for a call whose handler panics, and counts it.
///
/// ```
/// use tower::{Layer, ServiceExt};
/// use user_info_layers::middleware::recovery::RecoveryLayer;
/// use user_info_layers::{Call, Error, Kind};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let service = RecoveryLayer::new(&prometheus::Registry::new(), "shop")?
///     .layer(tower::service_fn(async |call: Call<usize>| Ok::<_, Error>(["a", "b"][call.message])));
/// assert_eq!(service.clone().oneshot(Call::new(Kind::Grpc, "/op", 1)).await?, "b");
/// assert_eq!(service.oneshot(Call::new(Kind::Grpc, "/op", 2)).await, Err(Error::UNKNOWN));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct RecoveryLayer {
    panics: IntCounter,
}

impl RecoveryLayer {
    /// Registers `<prefix>_panics_total`.
    ///
    /// # Errors
    /// If the registry has a metric of this name already.
    pub fn new(registry: &dyn Register, prefix: &str) -> prometheus::Result<Self> {
        Ok(Self { panics: registry.counter(format!("{prefix}_panics_total"), "Calls whose handler panicked.")? })
    }
}

impl<S> Layer<S> for RecoveryLayer {
    type Service = Recovery<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Recovery { inner, panics: self.panics.clone() }
    }
}

/// Recovers from panics of `S`.
#[derive(Debug, Clone)]
pub struct Recovery<S> {
    inner: S,
    panics: IntCounter,
}

impl<S, M> Service<Call<M>> for Recovery<S>
where
    S: Service<Call<M>, Error = Error>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = Either<Ready<Result<S::Response, Error>>, ResponseFuture<S::Future>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<M>) -> Self::Future {
        match catch_unwind(AssertUnwindSafe(|| self.inner.call(call))) {
            Ok(inner) => Either::Right(ResponseFuture { inner, panics: self.panics.clone() }),
            Err(panic) => Either::Left(ready(Err(recovered(&self.panics, panic)))),
        }
    }
}

// The panic hook has logged the message and the place already.
fn recovered(panics: &IntCounter, _: Box<dyn Any + Send>) -> Error {
    panics.inc();
    Error::UNKNOWN
}

pin_project! {
    /// Future of [`Recovery`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> {
        #[pin]
        inner: F,
        panics: IntCounter,
    }
}

impl<T, F: Future<Output = Result<T, Error>>> Future for ResponseFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        // A future that has panicked is not polled again: the panic is its result.
        catch_unwind(AssertUnwindSafe(|| this.inner.poll(cx))).unwrap_or_else(|panic| Poll::Ready(Err(recovered(this.panics, panic))))
    }
}

#[cfg(test)]
mod tests {
    use tower::ServiceExt;

    use super::*;
    use crate::Kind;

    #[tokio::test]
    async fn a_panic_before_or_inside_the_future_is_500_unknown() {
        let layer = RecoveryLayer::new(&prometheus::Registry::new(), "test").expect("registers");
        let at_once = layer.layer(tower::service_fn(|_: Call<()>| -> Ready<Result<(), Error>> { panic!("on purpose") }));
        assert_eq!(at_once.oneshot(Call::new(Kind::Http, "/op", ())).await, Err(Error::UNKNOWN));
        let later = layer.layer(tower::service_fn(|_: Call<()>| async {
            tokio::task::yield_now().await;
            panic!("on purpose") as Result<(), Error>
        }));
        assert_eq!(later.oneshot(Call::new(Kind::Http, "/op", ())).await, Err(Error::UNKNOWN));
        assert_eq!(layer.panics.get(), 2);
    }
}
