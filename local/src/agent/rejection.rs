//! Requests that the agent refuses, in Consul's words where it has any.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

/// What answers, for those who take it for Consul.
const SELF: &str = "the registry of user-info-local, which holds the services of one laptop,";

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Rejection {
    /// 400: the body or a parameter is not what the API asks for.
    #[error("{0}")]
    Invalid(String),
    /// 400: a parameter of Consul's, with which another question is meant.
    #[error("{} does not know ?{}: {}, or run a real Consul and name it in addons.consul (mode External)", SELF, .parameter, .instead)]
    Parameter {
        /// Its name.
        parameter: &'static str,
        /// What to do without it.
        instead: &'static str,
    },
    /// 501: an endpoint of Consul's.
    #[error("{} has no {}; run a real Consul and name it in addons.consul (mode External)", SELF, .0)]
    NotHere(String),
    /// 404: no endpoint, of Consul neither.
    #[error("Invalid URL path: not a recognized HTTP API endpoint\n")]
    NoSuchPath,
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
    /// 503: the registry is full.
    #[error("this agent holds {0} bytes of registrations, its limit; deregister some")]
    Overfull(usize),
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
            Self::Invalid(_) | Self::Parameter { .. } => StatusCode::BAD_REQUEST,
            Self::NotHere(_) => StatusCode::NOT_IMPLEMENTED,
            Self::NoSuchPath | Self::UnknownService(_) | Self::UnknownCheck(_) => StatusCode::NOT_FOUND,
            Self::NotTtl(_) | Self::Datacenter => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Full(_) | Self::Overfull(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Busy => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        (self.status(), self.to_string()).into_response()
    }
}
