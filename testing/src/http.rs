//! HTTP as a caller speaks it who is not of the product.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use crate::wait::eventually;

/// Longest time that [`Http::get`] waits for.
const TIMEOUT: Duration = Duration::from_secs(1);

/// What a request was answered with.
#[derive(Debug)]
pub struct Answer {
    /// The code.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: String,
}

impl Answer {
    /// The value of a header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }
}

/// Keeps connections open.
#[derive(Debug, Clone)]
pub struct Http(Client<HttpConnector, String>);

impl Default for Http {
    fn default() -> Self {
        Self(Client::builder(TokioExecutor::new()).build_http())
    }
}

impl Http {
    /// Sends a request; the answer's body may take its time.
    pub async fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<Response<Incoming>, hyper_util::client::legacy::Error> {
        let request =
            headers.iter().fold(Request::builder().method(method).uri(url), |request, (name, value)| request.header(*name, *value));
        self.0.request(request.body(body).expect("a request")).await
    }

    /// Sends a request and reads the answer to its end.
    pub async fn ask(&self, method: &str, url: &str, body: String) -> Result<Answer, Box<dyn Error + Send + Sync>> {
        let (head, body) = self.send(method, url, &[], body).await?.into_parts();
        let body = String::from_utf8(body.collect().await?.to_bytes().to_vec())?;
        Ok(Answer { status: head.status.as_u16(), headers: head.headers, body })
    }

    /// Status and text that `GET path` at `address` answers with; none if there is no answer within a second.
    pub async fn get(&self, address: SocketAddr, path: &str) -> Option<(u16, String)> {
        let url = format!("http://{address}{path}");
        let answer = tokio::time::timeout(TIMEOUT, self.ask("GET", &url, String::new())).await.ok()?.ok()?;
        Some((answer.status, answer.body))
    }
}

/// Status and text that `path` answers with at `address`. Asks again if nobody answers in time.
pub async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let http = Http::default();
    eventually(&format!("{address}{path} answers"), async || http.get(address, path).await).await
}

/// The same as JSON.
pub async fn get_json(address: SocketAddr, path: &str) -> Value {
    let (_, text) = get(address, path).await;
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}
