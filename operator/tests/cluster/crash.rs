//! The operator is killed at each of its writes, before or after the API server has seen it; another one finishes.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use http::{Method, Request, Response};
use kube::Client;
use kube::client::{Body, ClientBuilder};
use serde_json::json;
use tower::{BoxError, Layer, Service};
use user_info_testing::wait::eventually;

use crate::acceptance::essence;
use crate::harness::{LIMIT, Place, config};
use crate::ownership::unsettled;

/// Lets the first writes pass and fails all further ones.
#[derive(Clone)]
struct FailAfter {
    left: Arc<AtomicUsize>,
    /// Whether the first write that fails reaches the API server all the same.
    reaches: bool,
}

#[derive(Clone)]
struct Failing<S> {
    inner: S,
    faults: FailAfter,
}

impl<S> Layer<S> for FailAfter {
    type Service = Failing<S>;

    fn layer(&self, inner: S) -> Failing<S> {
        Failing { inner, faults: self.clone() }
    }
}

impl<S, B> Service<Request<Body>> for Failing<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Error: Into<BoxError>,
    S::Future: Send + 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let write = request.method() != Method::GET;
        let left =
            if write { self.faults.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).unwrap_or(0) } else { 1 };
        // The count is one less than before: with one left this is the last write, and may reach the API server without an answer.
        let (send, answer) = (left > 1 || !write || (left == 1 && self.faults.reaches), left > 1 || !write);
        let sent = send.then(|| self.inner.call(request));
        Box::pin(async move {
            let answered = match sent {
                Some(sent) => Some(sent.await.map_err(Into::into)?),
                None => None,
            };
            answered.filter(|_| answer).ok_or_else(|| "the connection broke".into())
        })
    }
}

async fn failing(writes: usize, reaches: bool) -> (Client, Arc<AtomicUsize>) {
    let left = Arc::new(AtomicUsize::new(writes));
    let layer = FailAfter { left: Arc::clone(&left), reaches };
    let client = ClientBuilder::try_from(config().await).expect("a client").with_layer(&layer).build();
    (client, left)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn killed_at_any_write_another_one_finishes() {
    let spec = json!({"replicas": 2, "networkPolicy": {"enabled": true}});
    let place = Place::new().await;
    let operator = place.operator();
    place.apply(spec.clone()).await.expect("taken");
    place.settled().await;
    let expected = essence(&place).await;
    operator.stop().await;

    // Each of the first objects takes three writes; of the others, some.
    for (writes, reaches) in (1..=14).chain((15..=36).step_by(3)).flat_map(|writes| [(writes, false), (writes, true)]) {
        let place = Place::new().await;
        let (client, left) = failing(writes, reaches).await;
        let doomed = place.operator_with(client);
        place.apply(spec.clone()).await.expect("taken");
        let dead = async || (left.load(Ordering::SeqCst) == 0).then_some(());
        let _ = tokio::time::timeout(LIMIT, eventually("its last write", dead)).await;
        doomed.kill().await;
        let operator = place.operator();
        let what = format!("end as undisturbed, killed at write {writes}, reaches: {reaches}");
        eventually(&what, async || (essence(&place).await == expected).then_some(())).await;
        place.settled().await;
        assert_eq!(unsettled(&place).await, BTreeMap::new(), "{what}");
        operator.stop().await;
    }
}
