//! `GetUserInfo` over HTTP: decodes the path into a [`Call`], and encodes what comes back as protojson does.

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{HeaderValue, StatusCode, Uri, header};
use hyper::body::Body as _;
use percent_encoding::percent_decode_str;
use tower::Service;
use user_info_layers::error::reason;
use user_info_layers::middleware::receive::Arriving;
use user_info_layers::middleware::spans::HttpRequest;
use user_info_layers::shared::SharedService;
use user_info_layers::{Call, Error, Kind};
use user_info_proto::{GET_USER_INFO, GetUserInfoReply, GetUserInfoRequest};

use super::capacity::{Capacity, Reservation, ReservedBody};
use super::openapi;
use crate::error::HttpError;
use crate::process::admin;
use crate::protojson::Reply;

mod path;

/// What the path of `GetUserInfo` begins with.
const USER_INFO: &str = "/user_info/";
/// The whole of it.
const ROUTE: &str = "/user_info/{userID}";

/// The route of `GetUserInfo`, the document that describes it, and `beside` them other routes.
///
/// Calls go to `stack`, which has to be always ready, as long as there is room in `capacity`; if it is `recorded`, with what spans tell of HTTP.
/// No route reads the body of a request.
pub fn router<S>(stack: S, recorded: bool, capacity: Capacity, beside: Router) -> Router
where
    S: Service<Call<Arriving<GetUserInfoRequest>>, Response = GetUserInfoReply, Error = Error, Future: Send> + Send + 'static,
{
    let stack = SharedService::new(stack);
    let get_user_info = move |request: Request| {
        let (stack, reserved) = (stack.clone(), capacity.call());
        async move {
            let (parts, _) = request.into_parts();
            let message = match decode(parts.uri.path()) {
                Ok(message) => message,
                Err(error) => return path::elsewhere(&parts.uri).map(moved).ok_or(HttpError(error)), // such as `.`
            };
            let message = if reserved.is_some() { Ok(message) } else { Err(Error::OVERLOADED) };
            let mut call = Call { metadata: parts.headers, ..Call::new(Kind::Http, GET_USER_INFO, Arriving::Here(message)) };
            if recorded {
                call.extensions.insert(HttpRequest::new(parts.method, ROUTE, parts.uri.path()));
            }
            let reply = stack.call(call).await;
            let response = reply.map_or_else(|error| HttpError(error).into_response(), |reply| Json(Reply::from(&reply)).into_response());
            Ok(holding(response, reserved))
        }
    };
    Router::new()
        .route(ROUTE, get(get_user_info))
        .merge(openapi::route())
        .merge(beside)
        .fallback(fallback)
        .method_not_allowed_fallback(admin::method_not_allowed)
}

/// The routes for a caller that may ask for many things at a time and take none: what is not `GetUserInfo`, which has room of its own, is
/// answered as long as there is room for the answer.
pub fn bounded(routes: Router, capacity: Capacity) -> Router {
    let answer = move |request: Request, next: Next| {
        let capacity = capacity.clone();
        async move {
            if request.uri().path().starts_with(USER_INFO) {
                return next.run(request).await;
            }
            let Some(stream) = capacity.stream() else { return overloaded() };
            let response = next.run(request).await;
            let size = response.size_hint().exact().and_then(|size| usize::try_from(size).ok()).unwrap_or_default();
            let Some(bytes) = capacity.bytes(size) else { return overloaded() };
            holding(holding(response, Some(stream)), Some(bytes))
        }
    };
    routes.layer(middleware::from_fn(answer))
}

/// 503 without a body, which needs no window: nothing is left of it to take.
fn overloaded() -> Response {
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

fn holding(response: Response, reserved: Option<Reservation>) -> Response {
    response.map(|body| Body::new(ReservedBody::new(body, reserved)))
}

async fn fallback(uri: Uri) -> Result<Response, HttpError> {
    path::elsewhere(&uri).map(moved).ok_or_else(admin::not_found)
}

fn moved(location: HeaderValue) -> Response {
    (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, location)]).into_response()
}

/// What is asked for with this path; 400 CODEC, in Kratos' words, if it holds no user id.
fn decode(path: &str) -> Result<GetUserInfoRequest, Error> {
    let text = path.rsplit('/').next().unwrap_or_default();
    Ok(GetUserInfoRequest { user_id: parse_int64(&percent_decode_str(text).decode_utf8_lossy())? })
}

/// Reads a decimal int64 as Go's `strconv.ParseInt` does, and words its errors so. The text itself is cut short in the error.
fn parse_int64(text: &str) -> Result<i64, Error> {
    text.parse().map_err(|e: std::num::ParseIntError| {
        use std::num::IntErrorKind::{NegOverflow, PosOverflow};
        let cause = if matches!(e.kind(), PosOverflow | NegOverflow) { "value out of range" } else { "invalid syntax" };
        let shown: String = text.chars().take(32).collect();
        let message = format!("parsing field \"userID\": strconv.ParseInt: parsing {shown:?}: {cause}");
        Error::new(400, reason::CODEC, "").with_message(message)
    })
}

#[cfg(test)]
mod tests;
