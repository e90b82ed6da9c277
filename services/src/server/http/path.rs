//! Paths as Kratos' router has them (gorilla/mux with `StrictSlash`): who asks for another form of one is sent to it.

use bytes::Bytes;
use http::{HeaderValue, Uri};

use super::USER_INFO;

/// Where to ask instead of `uri`, with the same query; none if its path is as it should be. Dots and slashes that are percent-encoded are part
/// of a segment.
pub(super) fn elsewhere(uri: &Uri) -> Option<HeaderValue> {
    let path = uri.path();
    if !path.starts_with('/') {
        return None; // such as `*`
    }
    let cleaned = clean(path);
    let better = if cleaned == path { without_slash(path)? } else { &cleaned };
    let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    HeaderValue::from_maybe_shared(Bytes::from(format!("{better}{query}"))).ok()
}

/// Without empty segments, `.` and `..`. A slash at the end stays, as mux adds it again to what Go's `path.Clean` leaves.
fn clean(path: &str) -> String {
    let mut segments = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(segments.pop()),
            name => segments.push(name),
        }
    }
    let end = if path.ends_with('/') && !segments.is_empty() { "/" } else { "" };
    format!("/{}{end}", segments.join("/"))
}

/// The path of `GetUserInfo`, if this is one with a slash too many.
fn without_slash(path: &str) -> Option<&str> {
    let shorter = path.strip_suffix('/')?;
    let id = shorter.strip_prefix(USER_INFO)?;
    (!id.is_empty() && !id.contains('/')).then_some(shorter)
}
