//! A process, and how it is.

use std::net::SocketAddr;

use serde::{Serialize, Serializer};
use tokio::time::Instant;

/// One process (or a part of this one: the registry and the page). As JSON it is what the page and scripts read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Name, unique in the system; samples of an instance carry the same.
    pub name: String,
    /// What it does.
    pub role: Role,
    /// How it is.
    pub state: ProcessState,
    /// Process id, while it runs.
    pub pid: Option<u32>,
    /// Where it serves gRPC.
    pub grpc: Option<SocketAddr>,
    /// Where it serves HTTP.
    pub http: Option<SocketAddr>,
    /// Where it serves the admin endpoints.
    pub admin: Option<SocketAddr>,
    /// Unplanned restarts so far.
    pub restarts: u32,
    /// Weight in the round-robin, of an instance.
    pub weight: Option<u32>,
    /// Generation of the spec that it confirmed.
    pub generation: Option<i64>,
    /// When it entered `state`; told as the seconds that have passed since, so that time alone is no change.
    #[serde(rename = "sinceSeconds", serialize_with = "seconds_since")]
    pub since: Instant,
    /// What a person should know, such as the last exit status.
    pub note: Option<String>,
}

impl Process {
    /// A process that is in this state from now on, and of which nothing else is known.
    pub fn new(name: impl Into<String>, role: Role, state: ProcessState) -> Self {
        Self {
            name: name.into(),
            role,
            state,
            pid: None,
            grpc: None,
            http: None,
            admin: None,
            restarts: 0,
            weight: None,
            generation: None,
            since: Instant::now(),
            note: None,
        }
    }
}

fn seconds_since<S: Serializer>(since: &Instant, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_u64(since.elapsed().as_secs())
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// The registry over Consul's HTTP API.
    Agent,
    /// An instance of the service.
    UserInfo,
    /// The caller.
    UserClient,
    /// The web page.
    Page,
}

/// How a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(into = "&'static str")]
pub enum ProcessState {
    /// Started, not ready yet.
    Starting,
    /// Serves.
    Ready,
    /// Finishes the calls in flight, takes no new ones.
    Draining,
    /// Ended without being asked to; starts again after a pause.
    Restarting,
    /// Ended as asked.
    Stopped,
    /// Cannot use its configuration; a change of the spec starts it again.
    Failed,
}

impl ProcessState {
    /// The state in one word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Draining => "draining",
            Self::Restarting => "restarting",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

impl From<ProcessState> for &'static str {
    fn from(state: ProcessState) -> Self {
        state.as_str()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_process_is_told_as_the_page_and_scripts_read_it() {
        let process = Process {
            grpc: Some(([127, 0, 0, 1], 9001).into()),
            weight: Some(10),
            ..Process::new("user_info-1", Role::UserInfo, ProcessState::Restarting)
        };
        let before = process.clone();
        tokio::time::advance(Duration::from_millis(2500)).await;
        let told = json!({
            "name": "user_info-1", "role": "userInfo", "state": "restarting", "pid": null, "grpc": "127.0.0.1:9001", "http": null,
            "admin": null, "restarts": 0, "weight": 10, "generation": null, "sinceSeconds": 2, "note": null,
        });
        assert_eq!(serde_json::to_value(&process).expect("it has string keys"), told);
        assert_eq!(process, before, "time alone is no change");
    }
}
