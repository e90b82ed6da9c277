//! What OpenTelemetry's conventions say of a call: names, attributes and status. Pure.

use std::borrow::Cow;

use http::Method;
use opentelemetry::KeyValue;
use opentelemetry::trace::{SpanKind, Status};
use tonic::Code;

use crate::error::reason;
use crate::guard::Outcome;
use crate::{Call, Kind};

/// Longest `url.path` that is recorded, in bytes.
const LONGEST_PATH: usize = 256;

/// What was asked for over HTTP. An adapter that wants it in spans puts it into [`Call::extensions`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    method: Method,
    route: &'static str,
    path: String,
}

impl HttpRequest {
    /// A request of `method` for `path`, which matched `route`, such as `/user_info/{userID}`.
    pub fn new(method: Method, route: &'static str, path: &str) -> Self {
        let path = path[..path.floor_char_boundary(LONGEST_PATH)].to_owned();
        Self { method, route, path }
    }
}

/// The span's name, and what is known of the call when it begins.
pub(super) fn begin<M>(call: &Call<M>) -> (Cow<'static, str>, Vec<KeyValue>) {
    match (call.kind, call.extensions.get::<HttpRequest>()) {
        (Kind::Http, Some(HttpRequest { method, route, path })) => {
            let attributes = vec![
                KeyValue::new("http.request.method", method.to_string()),
                KeyValue::new("http.route", *route),
                KeyValue::new("url.path", path.clone()),
            ];
            (format!("{method} {route}").into(), attributes)
        }
        (kind, _) => {
            let name = call.operation.trim_start_matches('/');
            let (service, method) = name.rsplit_once('/').unwrap_or(("", name));
            let system = (kind == Kind::Grpc).then(|| KeyValue::new("rpc.system", "grpc"));
            let names = [KeyValue::new("rpc.service", service), KeyValue::new("rpc.method", method)];
            (name.into(), system.into_iter().chain(names).collect())
        }
    }
}

/// What is known of a call when it has ended.
#[derive(Debug)]
pub(super) struct End {
    pub(super) attributes: Vec<KeyValue>,
    pub(super) status: Status,
}

/// How a call ended, from the side that `side` tells. `answered` is the code that the peer answered with, if it is known.
pub(super) fn end(side: &SpanKind, kind: Kind, outcome: Outcome<'_>, answered: Option<Code>) -> End {
    let (why, http, grpc) = match outcome {
        Outcome::Success => ("", 200, Code::Ok),
        Outcome::Failure(error) => (error.reason.as_ref(), error.code, answered.unwrap_or_else(|| error.grpc_code())),
        Outcome::Canceled => (reason::CANCELED, 499, Code::Cancelled),
    };
    let (mut attributes, error) = match kind {
        Kind::Grpc => {
            let status = KeyValue::new("rpc.grpc.status_code", i64::from(i32::from(grpc)));
            (vec![status], is_error(side, grpc).then(|| Cow::Borrowed(code_name(grpc))))
        }
        Kind::Http => {
            let least = if *side == SpanKind::Client { 400 } else { 500 };
            let status = KeyValue::new("http.response.status_code", i64::from(http));
            (vec![status], (http >= least).then(|| Cow::Owned(http.to_string())))
        }
    };
    let Some(code) = error else { return End { attributes, status: Status::Unset } };
    // Of a call that no peer has answered, the reason says more than the code that stands for it.
    let local = *side == SpanKind::Client && answered.is_none() && !why.is_empty();
    let kind_of_error = if local { why.to_owned() } else { code.to_string() };
    attributes.push(KeyValue::new("error.type", kind_of_error));
    End { attributes, status: Status::error(if why.is_empty() { code.into_owned() } else { why.to_owned() }) }
}

/// Whether a call that ended with `code` is an error. Whoever is called answers for its own failures only, whoever calls misses a reply.
fn is_error(side: &SpanKind, code: Code) -> bool {
    match code {
        Code::Ok => false,
        Code::Unknown | Code::DeadlineExceeded | Code::Unimplemented | Code::Internal | Code::Unavailable | Code::DataLoss => true,
        _ => *side == SpanKind::Client,
    }
}

/// The code as gRPC's standard writes it.
const fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
