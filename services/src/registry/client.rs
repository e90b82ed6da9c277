//! Calls to Consul agents over HTTP.

mod connector;
mod error;
mod line;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use user_info_api::config::Consul;
use user_info_consul::{AgentSelf, CatalogDeregistration, CheckStatus, CheckUpdate, Registration};

use super::entry::Entry;
use crate::tls;
use connector::Connector;
use error::Cause;
pub use error::{CallError, SetupError};
use line::Line;

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
///
/// What is said of a registration goes over one connection, which is kept: where several agents stand behind the address, all of it reaches
/// the same one as long as the connection lives. Queries have others.
#[derive(Clone)]
pub struct AgentClient(Arc<Inner>);

struct Inner {
    address: String,
    scheme: &'static str,
    section: &'static str,
    token_file: Option<PathBuf>,
    datacenter: Option<String>,
    timeout: Duration,
    http: Client<Connector, Full<Bytes>>,
    line: Line,
}

impl AgentClient {
    /// The agents that `consul` names, in its order. `section` is where it stands in the config file, for messages.
    ///
    /// Calls other than blocking queries may take the heartbeat interval, but at least 1 s and at most 5 s.
    ///
    /// # Errors
    /// If the TLS settings cannot be used.
    pub fn all(consul: &Consul, section: &'static str) -> Result<Vec<Self>, SetupError> {
        let connector = connector::connector(consul.tls.as_ref(), section)?;
        let http = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(60))
            .build(connector.clone());
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
                line: Line::new(connector.clone()),
            }))
        };
        Ok(consul.addresses.iter().map(agent).collect())
    }

    /// The same address with a connection of its own, which may lead to another agent behind it.
    pub(super) fn another(&self) -> Self {
        let Inner { address, scheme, section, token_file, datacenter, timeout, http, line } = &*self.0;
        Self(Arc::new(Inner {
            address: address.clone(),
            scheme,
            section,
            token_file: token_file.clone(),
            datacenter: datacenter.clone(),
            timeout: *timeout,
            http: http.clone(),
            line: line.another(),
        }))
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

    /// Removes a service; false if the agent does not know it.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn deregister(&self, id: &str) -> Result<bool, CallError> {
        match self.put(&format!("/v1/agent/service/deregister/{}", encoded(id)), None::<&()>).await {
            Ok(()) => Ok(true),
            Err(error) if error.status() == Some(404) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Removes a service from the catalog, at whatever node it is. An agent there that still has it puts it back within a minute or so.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn remove(&self, node: &str, id: &str) -> Result<(), CallError> {
        let entry = CatalogDeregistration { node: node.to_owned(), service_id: id.to_owned() };
        self.put("/v1/catalog/deregister", Some(&entry)).await
    }

    /// Name of the node at which the agent registers services; asking takes the right `agent:read`.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn node(&self) -> Result<String, CallError> {
        let call = "GET /v1/agent/self";
        let answer = self.tell(Method::GET, "/v1/agent/self", Bytes::new()).await.map_err(|cause| self.error(call, cause))?;
        Ok(self.decode::<AgentSelf>(call, answer.body())?.config.node_name)
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
        self.tell(Method::PUT, path, body.unwrap_or_default().into()).await.map(drop).map_err(|cause| self.error(&call, cause))
    }

    /// Calls on the kept connection.
    async fn tell(&self, method: Method, path: &str, body: Bytes) -> Result<Response<Bytes>, Cause> {
        let request = self.request(method, path, body).await?;
        within(self.0.timeout, self.0.line.send(request)).await
    }

    /// Calls on any connection.
    async fn call(&self, method: Method, path: &str, body: Bytes, timeout: Duration) -> Result<Response<Bytes>, Cause> {
        let request = self.request(method, path, body).await?;
        let exchange = async {
            let sent = match self.0.http.request(request.clone()).await {
                // The agent, or a proxy before it, may have closed a connection kept from before. All calls here may be repeated.
                Err(error) if !error.is_connect() => self.0.http.request(request).await,
                sent => sent,
            };
            let (head, body) = sent.map_err(|e| not_sent(&e))?.into_parts();
            let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|e| Cause::Answer(root_cause(&*e)))?;
            Ok(Response::from_parts(head, body.to_bytes()))
        };
        within(timeout, exchange).await
    }

    async fn request(&self, method: Method, path: &str, body: Bytes) -> Result<Request<Full<Bytes>>, Cause> {
        let uri = format!("{}://{}{path}", self.0.scheme, self.0.address);
        let mut request = Request::builder().method(method).uri(uri).header(CONTENT_TYPE, "application/json");
        if let Some(token) = self.token().await? {
            request = request.header(TOKEN, token);
        }
        request.body(Full::new(body)).map_err(|e| Cause::Transport(e.to_string()))
    }

    /// The token as its file has it now; it is small and read at most a few times a second.
    async fn token(&self) -> Result<Option<HeaderValue>, Cause> {
        let Some(path) = &self.0.token_file else { return Ok(None) };
        let named = |e: std::io::Error| Cause::Token(std::io::Error::new(e.kind(), format!("{}: {e}", path.display())));
        let text = tokio::fs::read_to_string(path).await.map_err(named)?;
        let mut token = HeaderValue::from_str(text.trim())
            .map_err(|_| named(std::io::Error::new(std::io::ErrorKind::InvalidData, "not a token: holds unprintable characters")))?;
        token.set_sensitive(true);
        Ok(Some(token))
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

/// The answer, if it comes in time and is no refusal.
async fn within(limit: Duration, exchange: impl Future<Output = Result<Response<Bytes>, Cause>>) -> Result<Response<Bytes>, Cause> {
    let answer = tokio::time::timeout(limit, exchange).await.unwrap_or(Err(Cause::Timeout(limit)))?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let text = String::from_utf8_lossy(answer.body()).trim().chars().take(MAX_COMPLAINT).collect();
    Err(Cause::Status { status: answer.status().as_u16(), text })
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
