//! One connection that is kept, so that all calls on it reach the same agent, through a balancer as well.

use std::error::Error;

use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use tokio::sync::Mutex;
use tower::ServiceExt;

use super::connector::Connector;
use super::error::Cause;
use super::{MAX_ANSWER, root_cause};
use crate::tls;

/// A connection to the agent at an address, made when it is needed and kept until it breaks. It carries one call at a time.
pub(super) struct Line {
    connector: Connector,
    kept: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

impl Line {
    pub(super) fn new(connector: Connector) -> Self {
        Self { connector, kept: Mutex::new(None) }
    }

    /// Another one, which through a balancer may lead to another agent.
    pub(super) fn another(&self) -> Self {
        Self::new(self.connector.clone())
    }

    /// Sends `request`, which has an absolute URI, and reads the answer to its end.
    pub(super) async fn send(&self, mut request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Cause> {
        let uri = request.uri().clone();
        let refused = |e: http::Error| Cause::Transport(e.to_string());
        let host = HeaderValue::from_str(uri.authority().map_or("", |a| a.as_str())).map_err(|e| refused(e.into()))?;
        request.headers_mut().insert(HOST, host);
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = Uri::try_from(path).map_err(|e| refused(e.into()))?;

        let mut kept = self.kept.lock().await;
        // Taken out: a call that is given up midway ends the connection.
        if let Some(mut sender) = kept.take() {
            // The agent, or a proxy before it, may have closed it meanwhile. All calls here may be repeated.
            if let Ok(answer) = exchange(&mut sender, request.clone()).await {
                *kept = Some(sender);
                return Ok(answer);
            }
        }
        let mut sender = self.open(uri).await?;
        let answer = exchange(&mut sender, request).await?;
        *kept = Some(sender);
        Ok(answer)
    }

    async fn open(&self, uri: Uri) -> Result<SendRequest<Full<Bytes>>, Cause> {
        let stream = self.connector.clone().oneshot(uri).await.map_err(|e| not_opened(&*e))?;
        let (sender, connection) = handshake(stream).await.map_err(|e| Cause::Transport(root_cause(&e)))?;
        // How it ends is told to who calls on it.
        tokio::spawn(async { drop(connection.await) });
        Ok(sender)
    }
}

async fn exchange(sender: &mut SendRequest<Full<Bytes>>, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, Cause> {
    let broken = |e: hyper::Error| Cause::Transport(root_cause(&e));
    sender.ready().await.map_err(broken)?;
    let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
    let body = Limited::new(body, MAX_ANSWER).collect().await.map_err(|e| Cause::Answer(root_cause(&*e)))?;
    Ok(Response::from_parts(head, body.to_bytes()))
}

fn not_opened(error: &(dyn Error + 'static)) -> Cause {
    let text = root_cause(error);
    if tls::is_certificate_error(error) { Cause::Certificate(text) } else { Cause::Transport(text) }
}
