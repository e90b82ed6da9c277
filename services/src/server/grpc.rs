//! `GetUserInfo` over gRPC: runs a request through the stack as a [`Call`]. Also health and reflection.

use std::convert::Infallible;
use std::task::{Context, Poll};

use futures_util::future::Either;
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tower::Service;
use user_info_proto::user_info_server::UserInfo;
use user_info_proto::{FILE_DESCRIPTOR_SET, GET_USER_INFO, GetUserInfoReply, GetUserInfoRequest};

use super::shared::Shared;
use crate::{Call, Error};

/// The service before `stack`.
#[derive(Debug, Clone)]
pub struct Grpc<S> {
    stack: Shared<S>,
}

impl<S> Grpc<S> {
    /// Serves `stack`, which has to be always ready.
    pub fn new(stack: S) -> Self {
        Self { stack: Shared::new(stack) }
    }
}

#[tonic::async_trait]
impl<S> UserInfo for Grpc<S>
where
    S: Service<Call<GetUserInfoRequest>, Response = GetUserInfoReply, Error = Error, Future: Send> + Send + 'static,
{
    async fn get_user_info(&self, request: Request<GetUserInfoRequest>) -> Result<Response<GetUserInfoReply>, Status> {
        Ok(self.stack.call(Call::from_grpc(GET_USER_INFO, request)).await.map(Response::new)?)
    }
}

/// Health and reflection, as Kratos registers them with every gRPC server.
///
/// # Errors
/// If the protocol's descriptors cannot be read.
pub fn companions() -> Result<(Routes, tonic_health::server::HealthReporter), tonic_reflection::server::Error> {
    let (reporter, health) = tonic_health::server::health_reporter();
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    let routes = Routes::new(health).add_service(reflection().build_v1()?).add_service(reflection().build_v1alpha()?);
    Ok((routes, reporter))
}

/// Takes the calls of `UserInfo` straight to it, and all others to the companions' router.
#[derive(Debug, Clone)]
pub struct Dispatch<U> {
    user_info: U,
    companions: Routes,
}

impl<U> Dispatch<U> {
    /// Serves `user_info`, and `companions` beside it.
    pub const fn new(user_info: U, companions: Routes) -> Self {
        Self { user_info, companions }
    }
}

impl<U> Service<http::Request<Incoming>> for Dispatch<U>
where
    U: Service<http::Request<Incoming>, Response = http::Response<Body>, Error = Infallible>,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Either<U::Future, <Routes as Service<http::Request<Incoming>>>::Future>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(())) // both are always ready
    }

    fn call(&mut self, request: http::Request<Incoming>) -> Self::Future {
        if request.uri().path() == GET_USER_INFO {
            Either::Left(self.user_info.call(request))
        } else {
            Either::Right(self.companions.call(request))
        }
    }
}

#[cfg(test)]
mod tests;
