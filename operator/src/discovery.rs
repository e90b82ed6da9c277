//! Which kinds the cluster knows.

use std::time::Duration;

use kube::Client;
use tokio::sync::watch;

/// Time between two looks for a kind that is not there yet.
const LOOK: Duration = Duration::from_secs(2);
/// Time between two looks for a kind that may never be there.
const RARE_LOOK: Duration = Duration::from_secs(60);

/// Whether the API server has `kind` in `group_version`, such as `monitoring.coreos.com/v1`.
///
/// # Errors
/// If it cannot be asked.
pub async fn knows(client: &Client, group_version: &str, kind: &str) -> Result<bool, kube::Error> {
    match client.list_api_group_resources(group_version).await {
        Ok(list) => Ok(list.resources.iter().any(|resource| resource.kind == kind)),
        // A group that is not there at all is answered in plain text, without a reason.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether the objects of `kind` in `api_version`, such as `v1` or `apps/v1`, are in namespaces. A kind that is not known counts as one of those.
///
/// # Errors
/// If it cannot be asked.
pub async fn namespaced(client: &Client, api_version: &str, kind: &str) -> Result<bool, kube::Error> {
    let list = if api_version.contains('/') {
        client.list_api_group_resources(api_version).await
    } else {
        client.list_core_api_resources(api_version).await
    };
    match list {
        Ok(list) => Ok(list.resources.iter().find(|resource| resource.kind == kind).is_none_or(|resource| resource.namespaced)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(true),
        Err(error) => Err(error),
    }
}

/// Waits until the API server has `kind` in `group_version`. `missing` is called at each look that does not find it.
pub async fn wait_for(client: &Client, group_version: &str, kind: &str, mut missing: impl FnMut(Option<kube::Error>)) {
    loop {
        match knows(client, group_version, kind).await {
            Ok(true) => return,
            Ok(false) => missing(None),
            Err(error) => missing(Some(error)),
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether the cluster knows a kind that it may do without. Once it does, that holds.
#[derive(Debug, Clone)]
pub struct Optional(watch::Receiver<bool>);

impl Optional {
    /// Looks now, and from time to time until the kind is there. The second part is the task that does.
    pub async fn look(client: Client, group_version: &'static str, kind: &'static str) -> (Self, impl Future<Output = ()> + Send) {
        let known = knows(&client, group_version, kind).await.unwrap_or(false);
        let (sender, receiver) = watch::channel(known);
        let task = async move {
            while !*sender.borrow() {
                tokio::time::sleep(RARE_LOOK).await;
                if knows(&client, group_version, kind).await.unwrap_or(false) {
                    sender.send_replace(true);
                }
            }
            // Receivers wait for changes as long as there may be some.
            sender.closed().await;
        };
        (Self(receiver), task)
    }

    /// Whether it is there.
    pub fn known(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it is there; for ever if nobody looks any more.
    pub async fn appeared(mut self) {
        if self.0.wait_for(|known| *known).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
