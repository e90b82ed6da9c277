//! Asks the services' admin endpoints.

use std::net::SocketAddr;
use std::time::Duration;

use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use user_info_bounded::read;

/// Longest time an answer may take.
const TIMEOUT: Duration = Duration::from_millis(900);
/// Largest answer, in bytes; the metrics of an instance are a twentieth of it.
const MOST: usize = 2 << 20;

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
            let body = read(response.into_body(), MOST).await.ok()?;
            Some((status, String::from_utf8(body.to_vec()).ok()?))
        };
        tokio::time::timeout(TIMEOUT, ask).await.ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use tokio::time::Instant;
    use user_info_testing::endless;

    use super::*;

    #[tokio::test]
    async fn p1_an_answer_without_end_is_none() {
        let http = Http::default();
        let begun = Instant::now();
        let answers = join_all(endless::ALL.map(|answer| http.get(answer.serve(), "/metrics"))).await;
        assert!(answers.iter().all(Option::is_none), "{answers:?}");
        assert!(begun.elapsed() < TIMEOUT * 3, "{:?}", begun.elapsed());
    }
}
