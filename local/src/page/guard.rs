//! Keeps other sites out.
//!
//! A page elsewhere can make a browser send requests to loopback. `Host` must name loopback, or a foreign name could be rebound to it and
//! read the token (DNS rebinding); `Origin` must be this page's; and whoever edits must know the token.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderValue};
use axum::http::uri::Authority;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::error::PageError;
use super::token::{HEADER, Token};

/// Passes on requests that were made to loopback by this page or by no page at all.
pub(super) async fn same_site(State(port): State<u16>, request: Request, next: Next) -> Response {
    match check(request.headers(), port) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn check(headers: &HeaderMap, port: u16) -> Result<(), PageError> {
    let host = headers.get(header::HOST).map_or("".into(), |v| String::from_utf8_lossy(v.as_bytes()));
    if !is_ours(&host, port) {
        return Err(PageError::ForeignHost { given: host.into_owned(), port });
    }
    let Some(origin) = headers.get(header::ORIGIN).map(|v| String::from_utf8_lossy(v.as_bytes())) else {
        return Ok(());
    };
    // The same authority, not just any of ours: http://localhost and http://127.0.0.1 are different origins to a browser.
    let ours = origin.strip_prefix("http://").is_some_and(|authority| authority == host);
    if ours { Ok(()) } else { Err(PageError::ForeignOrigin(origin.into_owned())) }
}

/// Whether `host` is `localhost` or a loopback address, at `port`.
fn is_ours(host: &str, port: u16) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
    let loopback = name == "localhost" || bare.parse().is_ok_and(|ip: IpAddr| ip.is_loopback());
    loopback && authority.port_u16().unwrap_or(80) == port && !host.contains('@')
}

/// Checks that the request knows the token.
pub(super) fn authorise(headers: &HeaderMap, token: &Token) -> Result<(), PageError> {
    if headers.get(HEADER).is_some_and(|given| token.is(given.as_bytes())) { Ok(()) } else { Err(PageError::Token) }
}

/// Headers that confine the page to itself. Styles may stand inline, since plotly.js writes them; scripts may not.
pub(super) async fn add_headers(mut response: Response) -> Response {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                          connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_loopback_at_our_port_only() {
        for host in ["localhost:8080", "127.0.0.1:8080", "127.1.2.3:8080", "[::1]:8080"] {
            assert!(is_ours(host, 8080), "{host}");
        }
        for host in
            ["", "localhost", "localhost:8081", "evil.example:8080", "127.0.0.1.evil.example:8080", "a@localhost:8080", "10.0.0.1:8080"]
        {
            assert!(!is_ours(host, 8080), "{host}");
        }
        assert!(is_ours("localhost", 80));
    }

    #[test]
    fn takes_its_own_origin_or_none() {
        let with = |origin: Option<&'static str>| {
            let mut headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("localhost:8080"))]);
            headers.extend(origin.map(|o| (header::ORIGIN, HeaderValue::from_static(o))));
            check(&headers, 8080)
        };
        assert_eq!(with(None), Ok(()));
        assert_eq!(with(Some("http://localhost:8080")), Ok(()));
        for origin in
            ["null", "https://localhost:8080", "http://127.0.0.1:8080", "http://evil.example", "http://localhost:8080.evil.example"]
        {
            assert_eq!(with(Some(origin)), Err(PageError::ForeignOrigin(origin.to_owned())));
        }
    }
}
