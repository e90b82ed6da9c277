//! What the page and scripts are told of the system, as JSON: a snapshot whenever something changes.

use std::net::SocketAddr;

use serde::{Serialize, Serializer};
use tokio::time::Instant;

use crate::spec::RunningSpec;
use crate::supervisor::{self, Role};

/// What runs, and from which spec.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Generation of the running spec; each edit in force adds one.
    pub generation: i64,
    /// Name of the `UserInfoDeployment`.
    pub name: String,
    /// The running spec, defaults filled in.
    pub spec: serde_json::Value,
    /// The whole object as YAML, as `user-info-local` and `kubectl apply` take it.
    pub yaml: String,
    /// The file that the object was read from, as the person named it.
    pub file: String,
    /// Whether the running spec differs from the file, as it does after an edit on the page.
    pub differs_from_file: bool,
    /// Why the last edit of the file was refused; the running spec stays in force until the file is mended.
    pub problem: Option<String>,
    /// Every process, in the order in which to show them.
    pub processes: Vec<Process>,
}

impl Snapshot {
    /// The view of `spec` and of the processes that carry it out.
    pub fn of(spec: &RunningSpec, processes: &[supervisor::Process]) -> Self {
        Self {
            generation: spec.generation(),
            name: spec.resource().metadata.name.clone().unwrap_or_default(),
            spec: serde_json::to_value(&spec.resource().spec).unwrap_or_default(),
            yaml: serde_yaml::to_string(spec.resource()).unwrap_or_default(),
            file: spec.file().display().to_string(),
            differs_from_file: spec.differs_from_file(),
            problem: spec.problem().map(str::to_owned),
            processes: processes.iter().map(Process::from).collect(),
        }
    }
}

/// One process, or a part of `user-info-local` itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Process {
    /// Name, unique in the snapshot; samples of an instance carry the same.
    pub name: String,
    /// What it does: `agent` (the registry), `userInfo`, `userClient` or `page`.
    pub role: &'static str,
    /// How it is, as [`ProcessState::as_str`](supervisor::ProcessState::as_str) says.
    pub state: &'static str,
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
    /// When it entered `state`; told as the seconds that have passed since, so that a view which stays the same stays true.
    #[serde(rename = "sinceSeconds", serialize_with = "seconds_since")]
    pub since: Instant,
    /// What a person should know, such as the last exit status.
    pub note: Option<String>,
}

impl From<&supervisor::Process> for Process {
    fn from(process: &supervisor::Process) -> Self {
        Self {
            name: process.name.clone(),
            role: match process.role {
                Role::Agent => "agent",
                Role::UserInfo => "userInfo",
                Role::UserClient => "userClient",
                Role::Page => "page",
            },
            state: process.state.as_str(),
            pid: process.pid,
            grpc: process.grpc,
            http: process.http,
            admin: process.admin,
            restarts: process.restarts,
            weight: process.weight,
            generation: process.generation,
            since: process.since,
            note: process.note.clone(),
        }
    }
}

fn seconds_since<S: Serializer>(since: &Instant, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_u64(since.elapsed().as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::supervisor::ProcessState;

    #[tokio::test(start_paused = true)]
    async fn a_process_is_told_as_the_page_and_scripts_read_it() {
        let process = supervisor::Process {
            grpc: Some(([127, 0, 0, 1], 9001).into()),
            weight: Some(10),
            ..supervisor::Process::new("user_info-1", Role::UserInfo, ProcessState::Restarting)
        };
        let view = Process::from(&process);
        tokio::time::advance(Duration::from_millis(2500)).await;
        let told = json!({
            "name": "user_info-1", "role": "userInfo", "state": "restarting", "pid": null, "grpc": "127.0.0.1:9001", "http": null,
            "admin": null, "restarts": 0, "weight": 10, "generation": null, "sinceSeconds": 2, "note": null,
        });
        assert_eq!(serde_json::to_value(&view).expect("it has string keys"), told);
        assert_eq!(Process::from(&process), view, "time alone is no change");
    }
}
