//! `GetUserInfo` over gRPC: decodes a request into a [`Call`], and encodes what comes back. Also health and reflection.

use std::convert::Infallible;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::Either;
use http::HeaderMap;
use hyper::body::Incoming;
use tonic::body::Body;
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tower::{Service, ServiceExt};
use user_info_proto::user_info_server::UserInfo;
use user_info_proto::{FILE_DESCRIPTOR_SET, GET_USER_INFO, GetUserInfoReply, GetUserInfoRequest};

use crate::{Call, Error, Kind};

/// Header in which a caller says how long it waits.
const GRPC_TIMEOUT: &str = "grpc-timeout";

/// The service before `stack`.
#[derive(Debug, Clone)]
pub struct Grpc<S> {
    stack: S,
}

impl<S> Grpc<S> {
    /// Serves `stack`.
    pub const fn new(stack: S) -> Self {
        Self { stack }
    }
}

#[tonic::async_trait]
impl<S> UserInfo for Grpc<S>
where
    S: Service<Call<GetUserInfoRequest>, Response = GetUserInfoReply, Error = Error, Future: Send> + Clone + Send + Sync + 'static,
{
    async fn get_user_info(&self, request: Request<GetUserInfoRequest>) -> Result<Response<GetUserInfoReply>, Status> {
        let (metadata, _, message) = request.into_parts();
        let mut call = Call { metadata: metadata.into_headers(), ..Call::new(Kind::Grpc, GET_USER_INFO, message) };
        call.deadline = timeout(&call.metadata).map(|timeout| call.received + timeout);
        Ok(self.stack.clone().oneshot(call).await.map(Response::new)?)
    }
}

/// How long the caller waits, unless it does not say so or says it wrongly.
///
/// The header is taken here and not by tonic's own server, which arms a timer for each.
fn timeout(metadata: &HeaderMap) -> Option<Duration> {
    let text = metadata.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let nanoseconds_in_unit = match unit {
        "H" => 3_600_000_000_000,
        "M" => 60_000_000_000,
        "S" => 1_000_000_000,
        "m" => 1_000_000,
        "u" => 1_000,
        "n" => 1,
        _ => return None,
    };
    let valid = (1..=8).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    let n: u64 = digits.parse().ok().filter(|_| valid)?;
    Some(Duration::from_nanos(n.saturating_mul(nanoseconds_in_unit)))
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
mod tests {
    use super::*;

    #[test]
    fn reads_grpc_timeouts() {
        let read = |text: &str| {
            let mut metadata = HeaderMap::new();
            metadata.insert(GRPC_TIMEOUT, text.parse().expect("a header's value"));
            timeout(&metadata).map(|d| d.as_nanos())
        };
        for (text, nanos) in [("1H", 3_600_000_000_000), ("2S", 2_000_000_000), ("100m", 100_000_000), ("5u", 5_000), ("7n", 7), ("0m", 0)]
        {
            assert_eq!(read(text), Some(nanos), "{text}");
        }
        for text in ["", "m", "1", "1x", "123456789m", "+1m", "-1m", "1.5S"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(timeout(&HeaderMap::new()), None);
    }
}
