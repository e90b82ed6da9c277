//! Asks the services' admin endpoints.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// Longest time an answer may take.
const TIMEOUT: Duration = Duration::from_millis(900);
/// Largest answer, in bytes.
const MOST: usize = 4 << 20;

/// Keeps connections to the services open.
#[derive(Debug, Clone)]
pub struct Http(Client<HttpConnector, Empty<Bytes>>);

impl Default for Http {
    fn default() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }
}

impl Http {
    /// Status and text that `GET path` at `address` answers with; none if nobody answers in time.
    pub async fn get(&self, address: SocketAddr, path: &str) -> Option<(StatusCode, String)> {
        let ask = async {
            let request = Request::get(format!("http://{address}{path}")).body(Empty::new()).ok()?;
            let response = self.0.request(request).await.ok()?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MOST).collect().await.ok()?.to_bytes();
            Some((status, String::from_utf8(body.to_vec()).ok()?))
        };
        tokio::time::timeout(TIMEOUT, ask).await.ok().flatten()
    }
}
