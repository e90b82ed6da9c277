//! Errors of this product, and how errors look over HTTP. Over gRPC they are [`Status`](tonic::Status)es, which the layers make of them.

use std::collections::BTreeMap;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::Serialize;
use user_info_layers::Error;

/// Reasons that only this product has.
pub mod reason {
    /// No user has this id.
    pub const USER_NOT_FOUND: &str = "USER_NOT_FOUND";
    /// The store of the users does not answer.
    pub const STORE_UNAVAILABLE: &str = "STORE_UNAVAILABLE";
    /// More calls wait for the store than its queue holds.
    pub const STORE_OVERLOADED: &str = "STORE_OVERLOADED";
    /// An instance cannot be reached; the client makes this error itself.
    pub const UNREACHABLE: &str = "UNREACHABLE";
}

/// 404, no such user.
pub const USER_NOT_FOUND: Error = Error::new(404, reason::USER_NOT_FOUND, "user not found");
/// 503, the store does not answer.
pub const STORE_UNAVAILABLE: Error = Error::new(503, reason::STORE_UNAVAILABLE, "the store of the users is unavailable");
/// 503, the store's queue is full.
pub const STORE_OVERLOADED: Error = Error::new(503, reason::STORE_OVERLOADED, "too many calls wait for the store of the users");

/// An error in JSON, with the four keys of Kratos in this order.
#[derive(Debug, Serialize)]
pub struct ErrorBody<'a> {
    code: u16,
    reason: &'a str,
    message: &'a str,
    metadata: &'a BTreeMap<String, String>,
}

impl<'a> From<&'a Error> for ErrorBody<'a> {
    fn from(error: &'a Error) -> Self {
        Self { code: error.code, reason: &error.reason, message: &error.message, metadata: &error.metadata }
    }
}

/// An error as the answer to a request by HTTP: its code is the status, its body is [`ErrorBody`].
#[derive(Debug)]
pub struct HttpError(pub Error);

impl From<Error> for HttpError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        (status, Json(ErrorBody::from(&self.0))).into_response()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[tokio::test]
    async fn over_http_all_four_keys_are_there_in_order() {
        let response = HttpError(Error::RATELIMIT).into_response();
        assert_eq!(response.status(), 429);
        assert_eq!(response.headers()["content-type"], "application/json");
        let body = response.into_body().collect().await.expect("whole body").to_bytes();
        assert_eq!(
            std::str::from_utf8(&body).expect("utf-8"),
            r#"{"code":429,"reason":"RATELIMIT","message":"service unavailable due to rate limit exceeded","metadata":{}}"#
        );
    }
}
