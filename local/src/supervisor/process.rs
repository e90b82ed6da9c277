//! A process, and how it is.

use std::net::SocketAddr;

use tokio::time::Instant;

/// One process (or a part of this one: the registry and the page).
#[derive(Debug, Clone, PartialEq, Eq)]
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
    /// When it entered `state`.
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

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
