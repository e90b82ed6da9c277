//! What the page's API answers when it refuses: JSON of the services' error form.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::token::HEADER;

/// A request that is not carried out.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PageError {
    #[error("open the page as http://localhost:{port} or http://127.0.0.1:{port}; {given:?} is not this page's address")]
    ForeignHost { given: String, port: u16 },
    #[error("requests from {0:?} are refused; only this page may ask")]
    ForeignOrigin(String),
    #[error("the header {HEADER} is missing or stale; GET /api/state tells the token")]
    Token,
    #[error("{0}")]
    Body(String),
    #[error("the spec stays as it is: {}", .0.join("; "))]
    Refused(Vec<String>),
    #[error("user-info-local is shutting down")]
    Closing,
    #[error("too many tabs show this page; close some")]
    Tabs,
    #[error("there is nothing at this path")]
    NotFound,
    #[error("this path takes another method")]
    Method,
}

impl PageError {
    fn code(&self) -> (StatusCode, &'static str) {
        match self {
            Self::ForeignHost { .. } => (StatusCode::FORBIDDEN, "FOREIGN_HOST"),
            Self::ForeignOrigin(_) => (StatusCode::FORBIDDEN, "FOREIGN_ORIGIN"),
            Self::Token => (StatusCode::FORBIDDEN, "TOKEN"),
            Self::Body(_) => (StatusCode::BAD_REQUEST, "CODEC"),
            Self::Refused(_) => (StatusCode::BAD_REQUEST, "INVALID_SPEC"),
            Self::Closing => (StatusCode::SERVICE_UNAVAILABLE, "CLOSING"),
            Self::Tabs => (StatusCode::SERVICE_UNAVAILABLE, "OVERLOADED"),
            Self::NotFound => (StatusCode::NOT_FOUND, "NOT_FOUND"),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED"),
        }
    }
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let (status, reason) = self.code();
        let mut body = json!({"code": status.as_u16(), "reason": reason, "message": self.to_string(), "metadata": {}});
        if let Self::Refused(violations) = self {
            body["violations"] = violations.into();
        }
        (status, Json(body)).into_response()
    }
}

pub(super) async fn not_found() -> PageError {
    PageError::NotFound
}

pub(super) async fn method_not_allowed() -> PageError {
    PageError::Method
}
