//! `GetUserInfo` over gRPC: runs a request through the stack as a [`Call`], from its head on. Also health and reflection.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::Either;
use hyper::body::Body;
use tokio::sync::watch;
use tokio::time::Instant;
use tonic::Status;
use tonic::server::NamedService;
use tonic::service::Routes;
use tower::Service;
use user_info_layers::call::grpc::timeout;
use user_info_layers::middleware::receive::Arriving;
use user_info_layers::shared::SharedService;
use user_info_layers::ticker::Ticker;
use user_info_layers::{Call, Error};
use user_info_proto::user_info_server::SERVICE_NAME;
use user_info_proto::{FILE_DESCRIPTOR_SET, GET_USER_INFO, GetUserInfoReply, GetUserInfoRequest};

use self::unary::Unary;
use self::while_running::WhileRunning;
use super::capacity::{Capacity, Reservation, ReservedBody};
use super::request_body::{Metered, Until};

mod unary;
mod while_running;

/// The answer to a request; it keeps the request's room.
pub type Response = http::Response<ReservedBody<tonic::body::Body>>;
type ResponseFuture = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

/// `GetUserInfo` before `stack`.
#[derive(Debug)]
pub struct Grpc<S> {
    stack: SharedService<S>,
    capacity: Capacity,
}

impl<S> Grpc<S> {
    /// Serves `stack`, which has to be always ready, as long as there is room in `capacity`.
    pub fn new(stack: S, capacity: Capacity) -> Self {
        Self { stack: SharedService::new(stack), capacity }
    }
}

impl<S> Clone for Grpc<S> {
    fn clone(&self) -> Self {
        Self { stack: self.stack.clone(), capacity: self.capacity.clone() }
    }
}

impl<S> NamedService for Grpc<S> {
    const NAME: &'static str = SERVICE_NAME;
}

impl<S, B> Service<http::Request<B>> for Grpc<S>
where
    S: Service<Call<Arriving<GetUserInfoRequest>>, Response = GetUserInfoReply, Error = Error, Future: Send> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<B>) -> ResponseFuture {
        let reserved = self.capacity.call();
        let unary = Unary::new(self.stack.clone(), self.capacity.clone(), Instant::now(), reserved.is_some());
        let request = request.map(|body| Metered::new(body, self.capacity.clone()));
        Box::pin(async move { Ok(unary.answer(request).await.map(|body| ReservedBody::new(body, reserved))) })
    }
}

/// Health and reflection, as Kratos registers them with every gRPC server.
///
/// # Errors
/// If the protocol's descriptors cannot be read.
pub fn health_and_reflection() -> Result<(Routes, tonic_health::server::HealthReporter), tonic_reflection::server::Error> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            // What an error's details are made of, for those who show them, such as grpcurl.
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
    };
    let routes = Routes::new(health).add_service(reflection().build_v1()?).add_service(reflection().build_v1alpha()?);
    Ok((routes, reporter))
}

/// Takes the calls of `UserInfo` straight to it, and all others to health and reflection.
#[derive(Debug, Clone)]
pub struct Dispatch<U> {
    user_info: U,
    others: HealthAndReflection,
}

impl<U> Dispatch<U> {
    /// Serves `user_info`, and `others` beside it.
    pub const fn new(user_info: U, others: HealthAndReflection) -> Self {
        Self { user_info, others }
    }
}

impl<U, B> Service<http::Request<B>> for Dispatch<U>
where
    U: Service<http::Request<B>, Response = Response, Error = Infallible>,
    B: Body<Data = Bytes> + Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Either<U::Future, ResponseFuture>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(())) // both are always ready
    }

    fn call(&mut self, request: http::Request<B>) -> Self::Future {
        if request.uri().path() == GET_USER_INFO {
            Either::Left(self.user_info.call(request))
        } else {
            Either::Right(self.others.answer(request))
        }
    }
}

/// Health and reflection with a deadline for what they are asked, and a bound on how many ask.
#[derive(Debug, Clone)]
pub struct HealthAndReflection {
    routes: Routes,
    capacity: Capacity,
    ticker: Ticker,
    timeout: Duration,
    stopping: watch::Receiver<bool>,
}

impl HealthAndReflection {
    /// Serves `routes` as long as there is room in `capacity`. What asks has to come within `timeout`, or the caller's shorter deadline.
    /// Whoever could go on asking for ever can no more when `stopping` turns true.
    pub const fn new(routes: Routes, capacity: Capacity, ticker: Ticker, timeout: Duration, stopping: watch::Receiver<bool>) -> Self {
        Self { routes, capacity, ticker, timeout, stopping }
    }

    fn answer<B: Body<Data = Bytes> + Send + 'static>(&mut self, request: http::Request<B>) -> ResponseFuture {
        let Some(reserved) = self.reserve(request.uri().path()) else {
            return Box::pin(std::future::ready(Ok(Status::from(Error::OVERLOADED).into_http().map(|body| ReservedBody::new(body, None)))));
        };
        let limit = timeout(request.headers()).map_or(self.timeout, |callers| callers.min(self.timeout));
        let alarm = self.ticker.clone().alarm(Instant::now() + limit);
        // Whoever reflects asks one thing after another.
        let answer = if request.uri().path().starts_with("/grpc.reflection.") {
            let asks = request.map(|body| Metered::new(body, self.capacity.clone()).until(Until::FirstMessage, alarm));
            self.routes.call(asks.map(|asks| WhileRunning::new(asks, self.stopping.clone())))
        } else {
            self.routes.call(request.map(|body| Metered::new(body, self.capacity.clone()).until(Until::End, alarm)))
        };
        Box::pin(async move { answer.await.map(|response| response.map(|body| ReservedBody::new(body, Some(reserved)))) })
    }

    /// A question with one answer has the room of a call; what may go on for ever has a room of its own.
    fn reserve(&self, path: &str) -> Option<Reservation> {
        if path == "/grpc.health.v1.Health/Check" { self.capacity.call() } else { self.capacity.stream() }
    }
}

#[cfg(test)]
mod tests;
