//! What to run: pure, from the spec and the ports.

use std::net::SocketAddr;
use std::path::PathBuf;

use user_info_api::config::{UserClientConfig, UserInfoConfig};
use user_info_api::crd::{LoadError, UserInfoDeployment};
use user_info_api::render::{self, Target};

use super::allocation::{Allocation, InstancePorts};
use super::process::{Process, ProcessState, Role};
use crate::ports::loopback;
use crate::spec::RunningSpec;

/// Name of the service's program.
pub const USER_INFO: &str = "user_info";
/// Name of the caller's program.
pub const USER_CLIENT: &str = "user_client";

/// What does not change while the system runs.
#[derive(Debug, Clone)]
pub struct Environment {
    /// Folder of config files and of the embedded store of users.
    pub dir: PathBuf,
    /// Folder of secrets.
    pub secrets: PathBuf,
    /// Folder of the programs.
    pub programs: PathBuf,
    /// Where the embedded registry listens.
    pub registry: SocketAddr,
    /// Further arguments of `user_client`.
    pub client_args: Vec<String>,
}

/// One process to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Launch {
    /// Name, unique in the system: `user_info-1`.
    pub(super) name: String,
    /// What it does.
    pub(super) role: Role,
    /// The program.
    pub(super) program: PathBuf,
    /// Its arguments.
    pub(super) args: Vec<String>,
    /// Where its config file stands.
    pub(super) config_file: PathBuf,
    /// What stands in it.
    pub(super) config: String,
    /// Generation of the spec that it was made from.
    pub(super) generation: i64,
    /// Differs where a change of the config takes a restart.
    pub(super) restart_hash: String,
    /// Where it serves gRPC.
    pub(super) grpc: Option<SocketAddr>,
    /// Where it serves HTTP.
    pub(super) http: SocketAddr,
    /// Where it serves the admin endpoints, always plain.
    pub(super) admin: SocketAddr,
    /// Weight of an instance.
    pub(super) weight: Option<u32>,
    /// How long it may take to stop.
    pub(super) stop_limit: std::time::Duration,
}

impl Launch {
    /// Writes the config beside its file, so that the file is never read half written.
    ///
    /// # Errors
    /// If it cannot be written, such as to a full disk; the file is as it was.
    pub(super) fn prepare(&self) -> std::io::Result<()> {
        std::fs::write(self.new_file(), &self.config)
    }

    /// Puts the file in place that was [prepared](Self::prepare).
    ///
    /// # Errors
    /// If it cannot be renamed.
    pub(super) fn put(&self) -> std::io::Result<()> {
        std::fs::rename(self.new_file(), &self.config_file)
    }

    /// The process before it runs.
    pub(super) fn process(&self) -> Process {
        Process {
            grpc: self.grpc,
            http: Some(self.http),
            admin: Some(self.admin),
            weight: self.weight,
            ..Process::new(self.name.as_str(), self.role, ProcessState::Starting)
        }
    }

    fn new_file(&self) -> PathBuf {
        self.config_file.with_extension("new")
    }
}

/// Instances and clients that the spec asks for.
pub(super) fn wanted(resource: &UserInfoDeployment) -> (usize, usize) {
    let spec = &resource.spec;
    if spec.operation.stopped {
        return (0, 0);
    }
    (spec.replicas as usize, if spec.client.enabled { spec.client.replicas as usize } else { 0 })
}

/// All processes that `spec` asks for, at the ports they have.
///
/// # Errors
/// The fields from which values come that the services refuse.
pub(super) fn all(spec: &RunningSpec, environment: &Environment, allocation: &Allocation) -> Result<Vec<Launch>, LoadError> {
    let resource = spec.resource();
    let (instances, clients) = wanted(resource);
    let (registry, peers) = (environment.registry.to_string(), allocation.peers(instances));
    let target = Target::local(&environment.dir, &environment.secrets, &registry, peers, spec.generation(), spec.faults_since());
    let instances = allocation.instances(instances).map(|(index, ports)| instance(resource, &target, environment, index, ports));
    let clients = allocation.clients(clients).map(|(index, port)| client(resource, &target, environment, index, port));
    instances.chain(clients).collect()
}

/// The instance at `index`, from 0.
///
/// # Errors
/// The fields from which values come that `user_info` refuses.
fn instance(
    resource: &UserInfoDeployment,
    target: &Target,
    environment: &Environment,
    index: usize,
    ports: InstancePorts,
) -> Result<Launch, LoadError> {
    let name = format!("user_info-{}", index + 1);
    let own = render::ServerInstance {
        index: Some(index),
        id: Some(format!("{}-{name}", resource.metadata.name.as_deref().unwrap_or_default())),
        grpc: loopback(ports.grpc).into(),
        http: loopback(ports.http).into(),
        admin: ports.admin.map(|port| loopback(port).into()),
    };
    let mut config = render::user_info(resource, target, &own)?;
    if config.server.workers == 0 {
        config.server.workers = 1; // several instances share this machine
    }
    let stop_limit = config.server.drain_delay.get() + config.server.shutdown_timeout.get();
    Ok(Launch {
        role: Role::UserInfo,
        program: environment.programs.join(USER_INFO),
        args: Vec::new(),
        config_file: environment.dir.join(format!("{name}.yaml")),
        restart_hash: render::restart_hash(&config),
        grpc: Some(loopback(ports.grpc)),
        http: loopback(ports.http),
        admin: loopback(ports.admin.unwrap_or(ports.http)),
        weight: Some(config.service.weight),
        generation: target.generation,
        config: yaml::<UserInfoConfig>(&config),
        stop_limit,
        name,
    })
}

/// The client at `index`, from 0.
///
/// # Errors
/// The fields from which values come that `user_client` refuses.
fn client(resource: &UserInfoDeployment, target: &Target, environment: &Environment, index: usize, port: u16) -> Result<Launch, LoadError> {
    let name = if index == 0 { "user_client".to_owned() } else { format!("user_client-{}", index + 1) };
    let own = render::ClientInstance {
        id: Some(format!("{}-{name}", resource.metadata.name.as_deref().unwrap_or_default())),
        admin: loopback(port).into(),
    };
    let config = render::user_client(resource, target, &own)?;
    Ok(Launch {
        role: Role::UserClient,
        program: environment.programs.join(USER_CLIENT),
        args: environment.client_args.clone(),
        config_file: environment.dir.join(format!("{name}.yaml")),
        restart_hash: render::restart_hash(&config),
        grpc: None,
        http: loopback(port),
        admin: loopback(port),
        weight: None,
        generation: target.generation,
        config: yaml::<UserClientConfig>(&config),
        stop_limit: config.live.timeout.get(),
        name,
    })
}

fn yaml<T: serde::Serialize>(config: &T) -> String {
    serde_yaml::to_string(config).unwrap_or_else(|_| serde_json::to_string_pretty(config).unwrap_or_default())
}
