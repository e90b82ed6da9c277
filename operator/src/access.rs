//! How a pod is asked for the configuration in force.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use http::{Request, Response};
use http_body_util::Empty;
use hyper::body::{Body, Bytes};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use k8s_openapi::api::core::v1::Pod;
use kube::{Client, ResourceExt};
use serde_json::Value;
use user_info_bounded::read;

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
    body(response).await
}

async fn proxy(client: &Client, pod: &Pod, port: u16) -> Result<Bytes, String> {
    let (namespace, name) = (pod.namespace().unwrap_or_default(), pod.name_any());
    let request = Request::get(format!("/api/v1/namespaces/{namespace}/pods/{name}:{port}/proxy/config"));
    let request = request.body(Vec::new().into()).map_err(|error| error.to_string())?;
    body(client.send(request).await.map_err(|error| format!("does not answer: {error}"))?).await
}

/// What was answered, of which no more is read than `/config` may have.
async fn body<B>(response: Response<B>) -> Result<Bytes, String>
where
    B: Body<Error: Into<Box<dyn Error + Send + Sync>>>,
{
    if !response.status().is_success() {
        return Err(format!("answers {} at /config", response.status()));
    }
    read(response.into_body(), LONGEST).await.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use k8s_openapi::api::core::v1::PodStatus;
    use kube::client::Body;
    use tokio::time::Instant;
    use user_info_testing::endless;

    use super::*;

    /// A client of an API server that passes on what a pod says: so many bytes.
    fn api_server(length: usize) -> Client {
        let answer =
            move |_: Request<Body>| async move { Ok::<_, std::convert::Infallible>(Response::new(Body::from(vec![b'1'; length]))) };
        Client::new(tower::service_fn(answer), "default")
    }

    #[tokio::test]
    async fn p1_a_pod_that_does_not_end_its_answer_is_given_up() {
        let (access, client, begun) = (Access::direct(), api_server(0), Instant::now());
        let status = PodStatus { pod_ip: Some("127.0.0.1".to_owned()), ..PodStatus::default() };
        let pod = Pod { status: Some(status), ..Pod::default() };
        let asked = endless::ALL.map(|answer| access.config(&client, &pod, answer.serve().port()));
        for error in join_all(asked).await.into_iter().map(Result::unwrap_err) {
            assert!(error.starts_with("does not answer") || error == "the answer is longer than 262144 bytes", "{error}");
        }
        assert!(begun.elapsed() < TIMEOUT * 2, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn p1_what_a_pod_says_through_the_api_server_is_bounded_too() {
        let config = async |length| Access::Proxy.config(&api_server(length), &Pod::default(), 1).await;
        assert_eq!(config(1).await, Ok(1.into()));
        assert_eq!(config(LONGEST + 1).await, Err("the answer is longer than 262144 bytes".to_owned()));
    }
}
