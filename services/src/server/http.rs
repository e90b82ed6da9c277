//! `GetUserInfo` over HTTP: decodes the path into a [`Call`], and encodes what comes back as protojson does.

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, Uri, header};
use percent_encoding::percent_decode_str;
use tower::Service;
use user_info_proto::{GET_USER_INFO, GetUserInfoReply, GetUserInfoRequest};

use super::openapi;
use super::shared::Shared;
use crate::error::reason;
use crate::process::admin;
use crate::protojson::Reply;
use crate::{Call, Error, Kind};

/// The route of `GetUserInfo` before `stack`, which has to be always ready, the document that describes it, and `beside` them other routes.
pub fn router<S>(stack: S, beside: Router) -> Router
where
    S: Service<Call<GetUserInfoRequest>, Response = GetUserInfoReply, Error = Error, Future: Send> + Send + 'static,
{
    let stack = Shared::new(stack);
    let get_user_info = move |request: Request| {
        let stack = stack.clone();
        async move {
            let reply = stack.call(decode(request)?).await?;
            Ok::<_, Error>(encode(&reply))
        }
    };
    Router::new()
        .route("/user_info/{userID}", get(get_user_info))
        .merge(openapi::route())
        .merge(beside)
        .fallback(fallback)
        .method_not_allowed_fallback(admin::method_not_allowed)
}

/// As Kratos with `StrictSlash`: a path with a slash too many is redirected.
async fn fallback(uri: Uri) -> Result<Response, Error> {
    match uri.path().strip_suffix('/').filter(|p| p.starts_with("/user_info/") && p.len() > "/user_info/".len()) {
        Some(path) if !path["/user_info/".len()..].contains('/') => {
            Ok((StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, path.to_owned())]).into_response())
        }
        _ => Err(admin::not_found()),
    }
}

/// The call that a request makes; 400 CODEC, in Kratos' words, if the path holds no user id.
fn decode(request: Request) -> Result<Call<GetUserInfoRequest>, Error> {
    let (parts, _) = request.into_parts();
    let text = parts.uri.path().rsplit('/').next().unwrap_or_default();
    let message = GetUserInfoRequest { user_id: parse_int64(&percent_decode_str(text).decode_utf8_lossy())? };
    Ok(Call { metadata: parts.headers, ..Call::new(Kind::Http, GET_USER_INFO, message) })
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

fn encode(reply: &GetUserInfoReply) -> Response {
    let body = serde_json::to_vec(&Reply::from(reply)).unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests;
