//! How a pod is asked for the configuration in force.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt, Collected, Empty, Limited};
use hyper::body::Bytes;
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::Pod;
use kube::{Client, ResourceExt};
use serde_json::Value;

/// How long an answer may take.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Longest answer in bytes: that of 1000 user ids is far below.
const LONGEST: usize = 256 * 1024;

/// How a pod is asked for the configuration in force.
#[derive(Debug, Clone)]
pub enum Access {
    /// At its own address: for an operator that runs in the cluster.
    Direct(Box<HttpClient<HttpConnector, Empty<Bytes>>>),
    /// Through the API server, which asks for the right to get `pods/proxy`: for an operator that runs elsewhere.
    Proxy,
}

impl Access {
    /// Access at pods' own addresses.
    pub fn direct() -> Self {
        Self::Direct(Box::new(HttpClient::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http()))
    }

    /// What `/config` at the pod's `port` answers, or why there is no answer.
    pub(crate) async fn config(&self, client: &Client, pod: &Pod, port: u16) -> Result<Value, String> {
        let answer = async {
            match self {
                Self::Direct(http) => direct(http, pod, port).await,
                Self::Proxy => proxy(client, pod, port).await,
            }
        };
        let text = tokio::time::timeout(TIMEOUT, answer).await.map_err(|_| "does not answer".to_owned())??;
        serde_json::from_slice(&text).map_err(|error| format!("does not answer /config as expected: {error}"))
    }
}

async fn direct(http: &HttpClient<HttpConnector, Empty<Bytes>>, pod: &Pod, port: u16) -> Result<Bytes, String> {
    let address = pod.status.as_ref().and_then(|status| status.pod_ip.as_ref()).and_then(|ip| ip.parse::<IpAddr>().ok());
    let address = SocketAddr::new(address.ok_or("has no address")?, port);
    let request = Request::get(format!("http://{address}/config")).body(Empty::new()).map_err(|error| error.to_string())?;
    let response = http.request(request).await.map_err(|error| format!("does not answer: {error}"))?;
    if !response.status().is_success() {
        return Err(format!("answers {} at /config", response.status()));
    }
    Limited::new(response.into_body(), LONGEST).collect().await.map(Collected::to_bytes).map_err(|error| error.to_string())
}

async fn proxy(client: &Client, pod: &Pod, port: u16) -> Result<Bytes, String> {
    let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
    let request = Request::get(format!("/api/v1/namespaces/{namespace}/pods/{name}:{port}/proxy/config"));
    let request = request.body(Vec::new()).map_err(|error| error.to_string())?;
    client.request_text(request).await.map(Bytes::from).map_err(|error| format!("does not answer: {error}"))
}
