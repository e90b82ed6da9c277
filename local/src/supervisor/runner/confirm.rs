//! Asks a process whether it is ready, and which generation of the spec is in force in it.

use std::time::Duration;

use tokio::time::sleep;

use super::status::Status;
use crate::http::Http;
use crate::supervisor::launch::Launch;
use crate::supervisor::process::ProcessState;

/// Time between looks at a process that is not ready, or has not confirmed its configuration.
const LOOK: Duration = Duration::from_millis(50);

/// Completes once the process is ready, and after that once it has confirmed its generation.
pub(super) async fn confirmed(http: &Http, status: &Status, launch: &Launch) {
    let (ready, confirmed) = {
        let process = status.process();
        (process.state == ProcessState::Ready, process.generation == Some(launch.generation))
    };
    if ready && confirmed {
        return std::future::pending().await;
    }
    loop {
        let path = if ready { "/config" } else { "/readyz" };
        if let Some((status, text)) = http.get(launch.admin, path).await
            && status.is_success()
            && (!ready || generation(&text) == Some(launch.generation))
        {
            return;
        }
        sleep(LOOK).await;
    }
}

fn generation(config: &str) -> Option<i64> {
    serde_json::from_str::<serde_json::Value>(config).ok()?.get("generation")?.as_i64()
}
