//! Calls to Consul agents over HTTP.

mod connector;
mod error;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::Full;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use user_info_api::config::Consul;
use user_info_bounded::read;
use user_info_consul::{CheckStatus, CheckUpdate, Registration};

use super::entry::Entry;
use crate::tls;
use error::Cause;
pub use error::{CallError, SetupError};

/// Header with the ACL token.
const TOKEN: &str = "x-consul-token";
/// Header with the index of a blocking query.
const INDEX: &str = "x-consul-index";
/// Largest answer that is read; about 8000 instances.
const MAX_ANSWER: usize = 8 << 20;
/// Characters of an agent's complaint that are repeated.
const MAX_COMPLAINT: usize = 200;
/// Characters that stand for themselves in a path or query.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'.').remove(b'-').remove(b'_').remove(b'~').remove(b':');

/// One Consul agent. Clones share connections.
#[derive(Clone)]
pub struct AgentClient(Arc<Inner>);

struct Inner {
    address: String,
    scheme: &'static str,
    section: &'static str,
    token_file: Option<PathBuf>,
    datacenter: Option<String>,
    timeout: Duration,
    http: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl AgentClient {
    /// The agents that `consul` names, in its order. `section` is where it stands in the config file, for messages.
    ///
    /// Calls other than blocking queries may take the heartbeat interval, but at least 1 s and at most 5 s.
    ///
    /// # Errors
    /// If the TLS settings cannot be used.
    pub fn all(consul: &Consul, section: &'static str) -> Result<Vec<Self>, SetupError> {
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .build(connector::connector(consul.tls.as_ref(), section)?);
        let scheme = if consul.tls.is_some() { "https" } else { "http" };
        let timeout = consul.interval.get().clamp(Duration::from_secs(1), Duration::from_secs(5));
        let agent = |address: &String| {
            Self(Arc::new(Inner {
                address: address.clone(),
                scheme,
                section,
                token_file: consul.token_file.clone(),
                datacenter: consul.datacenter.clone(),
                timeout,
                http: http.clone(),
            }))
        };
        Ok(consul.addresses.iter().map(agent).collect())
    }

    /// `host:port` of the agent.
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// Registers a service, or replaces the one with its id.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn register(&self, registration: &Registration) -> Result<(), CallError> {
        self.put("/v1/agent/service/register", Some(registration)).await
    }

    /// Removes a service. That the agent does not know it is no error.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn deregister(&self, id: &str) -> Result<(), CallError> {
        let gone = self.put(&format!("/v1/agent/service/deregister/{}", encoded(id)), None::<&()>).await;
        gone.or_else(|e| if e.status() == Some(404) { Ok(()) } else { Err(e) })
    }

    /// Says that a TTL check passes.
    ///
    /// # Errors
    /// See [`CallError`]; status 404 or 500 if the agent does not know the check.
    pub async fn pass(&self, check: &str) -> Result<(), CallError> {
        let update = CheckUpdate { status: CheckStatus::Passing.as_str().to_owned(), output: "pass".to_owned() };
        self.put(&format!("/v1/agent/check/update/{}", encoded(check)), Some(&update)).await
    }

    /// The instances of `service` whose checks all pass, and the index of this answer.
    ///
    /// With an `index` above 0 the agent answers when its own is higher, or after `wait` and up to a sixteenth more.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn healthy(&self, service: &str, index: u64, wait: Duration) -> Result<(u64, Vec<Entry>), CallError> {
        let mut path = format!("/v1/health/service/{}?passing=1", encoded(service));
        if let Some(datacenter) = &self.0.datacenter {
            path += &format!("&dc={}", encoded(datacenter));
        }
        let mut timeout = self.0.timeout;
        if index > 0 {
            path += &format!("&index={index}&wait={}ms", wait.as_millis());
            timeout += wait + wait / 16;
        }
        let call = format!("GET {path}");
        let answer = self.call(Method::GET, &path, Bytes::new(), timeout).await.map_err(|cause| self.error(&call, cause))?;
        let index = answer.headers().get(INDEX).and_then(|v| v.to_str().ok()?.parse().ok()).unwrap_or(0);
        Ok((index, self.decode(&call, answer.body())?))
    }

    /// Address of the cluster's leader; empty if there is none.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn leader(&self) -> Result<String, CallError> {
        let call = "GET /v1/status/leader";
        let answer = self.call(Method::GET, "/v1/status/leader", Bytes::new(), self.0.timeout).await;
        self.decode(call, answer.map_err(|cause| self.error(call, cause))?.body())
    }

    async fn put(&self, path: &str, body: Option<&impl Serialize>) -> Result<(), CallError> {
        let call = format!("PUT {path}");
        let body = body.map(serde_json::to_vec).transpose().map_err(|e| self.error(&call, Cause::Answer(e.to_string())))?;
        let done = self.call(Method::PUT, path, body.unwrap_or_default().into(), self.0.timeout).await;
        done.map(drop).map_err(|cause| self.error(&call, cause))
    }

    async fn call(&self, method: Method, path: &str, body: Bytes, timeout: Duration) -> Result<Response<Bytes>, Cause> {
        let uri = format!("{}://{}{path}", self.0.scheme, self.0.address);
        let mut request = Request::builder().method(method).uri(uri).header(CONTENT_TYPE, "application/json");
        if let Some(token) = self.token().await? {
            request = request.header(TOKEN, token);
        }
        let request = request.body(Full::new(body)).map_err(|e| Cause::Transport(e.to_string()))?;
        let exchange = async {
            let sent = match self.0.http.request(request.clone()).await {
                // The agent, or a proxy before it, may have closed a connection kept from before. All calls here may be repeated.
                Err(error) if !error.is_connect() => self.0.http.request(request).await,
                sent => sent,
            };
            let (head, body) = sent.map_err(|e| not_sent(&e))?.into_parts();
            let body = read(body, MAX_ANSWER).await.map_err(|e| Cause::Answer(root_cause(&e)))?;
            Ok(Response::from_parts(head, body))
        };
        let answer = tokio::time::timeout(timeout, exchange).await.unwrap_or(Err(Cause::Timeout(timeout)))?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let text = String::from_utf8_lossy(answer.body()).trim().chars().take(MAX_COMPLAINT).collect();
        Err(Cause::Status { status: answer.status().as_u16(), text })
    }

    /// The token as its file has it now; it is small and read at most a few times a second.
    async fn token(&self) -> Result<Option<HeaderValue>, Cause> {
        let Some(path) = &self.0.token_file else { return Ok(None) };
        read_token(path).await.map(Some).map_err(Cause::Token)
    }

    fn decode<T: DeserializeOwned>(&self, call: &str, body: &[u8]) -> Result<T, CallError> {
        serde_json::from_slice(body).map_err(|e| self.error(call, Cause::Answer(e.to_string())))
    }

    fn error(&self, call: &str, cause: Cause) -> CallError {
        let remedy = self.remedy(&cause);
        CallError { agent: self.0.address.clone(), call: call.to_owned(), cause, remedy }
    }

    /// What to change in the config file, where the cause tells.
    fn remedy(&self, cause: &Cause) -> Option<String> {
        let section = self.0.section;
        match (cause, &self.0.token_file) {
            (Cause::Token(_), _) => Some(format!("check {section}.tokenFile")),
            (Cause::Status { status: 401 | 403, .. }, Some(_)) => {
                Some(format!("the token in {section}.tokenFile needs more rights, or is another cluster's"))
            }
            (Cause::Status { status: 401 | 403, .. }, None) => Some(format!("set {section}.tokenFile")),
            // Go's server says so on a port for TLS; no code of its own goes with it.
            (Cause::Status { status: 400, text }, _) if text.contains("HTTPS server") => Some(format!("set {section}.tls")),
            (Cause::Certificate(_), _) => Some(format!("check {section}.tls")),
            _ => None,
        }
    }
}

impl fmt::Debug for AgentClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AgentClient").field(&self.0.address).finish()
    }
}

/// The token in the file at `path`.
pub(crate) async fn read_token(path: &Path) -> io::Result<HeaderValue> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    let text = tokio::fs::read_to_string(path).await.map_err(named)?;
    let mut token = HeaderValue::from_str(text.trim())
        .map_err(|_| named(io::Error::new(io::ErrorKind::InvalidData, "not a token: holds unprintable characters")))?;
    token.set_sensitive(true);
    Ok(token)
}

fn encoded(text: &str) -> impl fmt::Display {
    utf8_percent_encode(text, PLAIN)
}

fn not_sent(error: &hyper_util::client::legacy::Error) -> Cause {
    let text = root_cause(error);
    if tls::is_certificate_error(error) { Cause::Certificate(text) } else { Cause::Transport(text) }
}

/// What lies at the bottom of `error`: "connection refused" says more than "client error (Connect)".
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    std::iter::successors(Some(error), |e| e.source()).last().unwrap_or(error).to_string()
}

#[cfg(test)]
mod tests;
