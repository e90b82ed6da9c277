//! Stands between an operator and the API server, and decides what becomes of each request.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::{Request, Response};
use kube::Client;
use kube::client::{Body, ClientBuilder};
use tower::{BoxError, Layer, Service};

use crate::harness::config;

/// What becomes of a request.
pub(crate) enum Fate {
    /// It is sent.
    Sent,
    /// It is sent after something else was done.
    SentAfter(BoxFuture<'static, Result<(), BoxError>>),
    /// It has no answer, whether or not it `reaches` the API server.
    Unanswered { reaches: bool },
}

/// A client whose requests are judged one by one before they are sent.
pub(crate) async fn client(judge: impl Fn(&Request<Body>) -> Fate + Send + Sync + 'static) -> Client {
    ClientBuilder::try_from(config().await).expect("a client").with_layer(&Intercept { judge: Arc::new(judge) }).build()
}

type Judge = dyn Fn(&Request<Body>) -> Fate + Send + Sync;

#[derive(Clone)]
struct Intercept {
    judge: Arc<Judge>,
}

#[derive(Clone)]
struct Intercepting<S> {
    inner: S,
    intercept: Intercept,
}

impl<S> Layer<S> for Intercept {
    type Service = Intercepting<S>;

    fn layer(&self, inner: S) -> Intercepting<S> {
        Intercepting { inner, intercept: self.clone() }
    }
}

impl<S, B> Service<Request<Body>> for Intercepting<S>
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
        let (first, send, answer) = match (self.intercept.judge)(&request) {
            Fate::Sent => (None, true, true),
            Fate::SentAfter(first) => (Some(first), true, true),
            Fate::Unanswered { reaches } => (None, reaches, false),
        };
        // It is sent when somebody waits for the answer.
        let sent = send.then(|| self.inner.call(request));
        async move {
            if let Some(first) = first {
                first.await?;
            }
            let answered = match sent {
                Some(sent) => Some(sent.await.map_err(Into::into)?),
                None => None,
            };
            answered.filter(|_| answer).ok_or_else(|| "the connection broke".into())
        }
        .boxed()
    }
}
