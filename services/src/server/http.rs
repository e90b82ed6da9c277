//! `GetUserInfo` over HTTP: decodes the path into a [`Call`], and encodes what comes back as protojson does.

use axum::Router;
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, Uri, header};
use serde::{Serialize, Serializer};
use tower::{Service, ServiceExt};
use user_info_proto::{GET_USER_INFO, GetUserInfoReply, GetUserInfoRequest, User};

use super::admin;
use crate::error::reason;
use crate::{Call, Error, Kind};

/// The route of `GetUserInfo` before `stack`, and `beside` it other routes.
pub fn router<S>(stack: S, beside: Router) -> Router
where
    S: Service<Call<GetUserInfoRequest>, Response = GetUserInfoReply, Error = Error, Future: Send> + Clone + Send + Sync + 'static,
{
    let get_user_info = move |request: Request| {
        let stack = stack.clone();
        async move {
            let reply = stack.oneshot(decode(request)?).await?;
            Ok::<_, Error>(encode(&reply))
        }
    };
    Router::new()
        .route("/user_info/{userID}", get(get_user_info))
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
    let message = GetUserInfoRequest { user_id: parse_int64(text)? };
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
    let body = serde_json::to_vec(&Json(reply)).unwrap_or_default();
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// A message in protojson form: lowerCamel names, int64 as strings, unset fields present.
struct Json<'a, M>(&'a M);

impl Serialize for Json<'_, GetUserInfoReply> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = s.serialize_struct("GetUserInfoReply", 2)?;
        fields.serialize_field("user", &self.0.user.as_ref().map(Json))?;
        fields.serialize_field("ipAddr", &self.0.ip_addr)?;
        fields.end()
    }
}

impl Serialize for Json<'_, User> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut fields = s.serialize_struct("User", 5)?;
        fields.serialize_field("userID", &Int64(self.0.user_id))?;
        fields.serialize_field("name", &self.0.name)?;
        fields.serialize_field("ip", &self.0.ip)?;
        fields.serialize_field("email", &self.0.email)?;
        fields.serialize_field("visits", &Int64(self.0.visits))?;
        fields.end()
    }
}

struct Int64(i64);

impl Serialize for Int64 {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
