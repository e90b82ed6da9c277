//! Requests that the agent refuses, in Consul's words where it has any.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Rejection {
    /// 400: the body or a parameter is not what the API asks for.
    #[error("{0}")]
    Invalid(String),
    /// 404: no such service.
    #[error("Unknown service ID {0:?}. Ensure that the service ID is passed, not the service name.")]
    UnknownService(String),
    /// 404: no such check.
    #[error("Unknown check ID {0:?}. Ensure that the check ID is passed, not the check name.")]
    UnknownCheck(String),
    /// 500: the check is not kept alive by heartbeats.
    #[error("CheckID {0:?} does not have associated TTL")]
    NotTtl(String),
    /// 500: the agent knows one datacenter only.
    #[error("No path to datacenter")]
    Datacenter,
    /// 503: the registry is full.
    #[error("this agent holds {0} services, its limit; deregister some")]
    Full(usize),
    /// 429: too many blocking queries wait.
    #[error("Your IP is issuing too many concurrent connections, please rate limit your calls")]
    Busy,
}

impl Rejection {
    pub(super) fn invalid(message: impl Into<String>) -> Self {
        Self::Invalid(message.into())
    }

    /// The HTTP status it is answered with.
    const fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::UnknownService(_) | Self::UnknownCheck(_) => StatusCode::NOT_FOUND,
            Self::NotTtl(_) | Self::Datacenter => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Full(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        (self.status(), self.to_string()).into_response()
    }
}
