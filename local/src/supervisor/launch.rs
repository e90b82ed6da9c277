//! What to run: pure, from the spec and the ports.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use user_info_api::config::{UserClientConfig, UserInfoConfig};
use user_info_api::crd::{LoadError, UserInfoDeployment};
use user_info_api::render::{self, Target};

use crate::page::Role;
use crate::ports::loopback;

/// Name of the service's program.
pub const USER_INFO: &str = "user_info";
/// Name of the caller's program.
pub const USER_CLIENT: &str = "user_client";

/// One process to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Launch {
    /// Name, unique in the system: `user_info-1`.
    pub name: String,
    /// What it does.
    pub role: Role,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Where its config file stands.
    pub config_file: PathBuf,
    /// What stands in it.
    pub config: String,
    /// Generation of the spec that it was made from.
    pub generation: i64,
    /// Differs where a change of the config takes a restart.
    pub restart_hash: String,
    /// Where it serves gRPC.
    pub grpc: Option<SocketAddr>,
    /// Where it serves HTTP.
    pub http: SocketAddr,
    /// Where it serves the admin endpoints, always plain.
    pub admin: SocketAddr,
    /// Weight of an instance.
    pub weight: Option<u32>,
    /// How long it may take to stop.
    pub stop_limit: std::time::Duration,
}

impl Launch {
    /// Writes the config beside its file, so that the file is never read half written.
    ///
    /// # Errors
    /// If it cannot be written, such as to a full disk; the file is as it was.
    pub fn prepare(&self) -> std::io::Result<()> {
        std::fs::write(self.new_file(), &self.config)
    }

    /// Puts the file in place that was [prepared](Self::prepare).
    ///
    /// # Errors
    /// If it cannot be renamed.
    pub fn put(&self) -> std::io::Result<()> {
        std::fs::rename(self.new_file(), &self.config_file)
    }

    fn new_file(&self) -> PathBuf {
        self.config_file.with_extension("new")
    }
}

/// What is the same for all processes.
#[derive(Debug, Clone)]
pub struct Site<'a> {
    /// Folder of config files.
    pub dir: &'a Path,
    /// Folder of the programs.
    pub programs: &'a Path,
    /// Further arguments of `user_client`.
    pub client_args: &'a [String],
}

/// Instances and clients that the spec asks for.
pub fn wanted(resource: &UserInfoDeployment) -> (usize, usize) {
    let spec = &resource.spec;
    if spec.operation.stopped {
        return (0, 0);
    }
    (spec.replicas as usize, if spec.client.enabled { spec.client.replicas as usize } else { 0 })
}

/// Ports of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InstancePorts {
    /// gRPC.
    pub grpc: u16,
    /// HTTP.
    pub http: u16,
    /// Admin endpoints, if they are not on `http`.
    pub admin: Option<u16>,
}

/// The instance at `index`, from 0.
///
/// # Errors
/// The fields from which values come that `user_info` refuses.
pub fn instance(
    resource: &UserInfoDeployment,
    target: &Target,
    site: &Site<'_>,
    index: usize,
    ports: InstancePorts,
) -> Result<Launch, LoadError> {
    let name = format!("user_info-{}", index + 1);
    let own = render::Instance {
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
        program: site.programs.join(USER_INFO),
        args: Vec::new(),
        config_file: site.dir.join(format!("{name}.yaml")),
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
pub fn client(resource: &UserInfoDeployment, target: &Target, site: &Site<'_>, index: usize, port: u16) -> Result<Launch, LoadError> {
    let name = if index == 0 { "user_client".to_owned() } else { format!("user_client-{}", index + 1) };
    let own = render::ClientInstance {
        id: Some(format!("{}-{name}", resource.metadata.name.as_deref().unwrap_or_default())),
        admin: loopback(port).into(),
    };
    let config = render::user_client(resource, target, &own)?;
    Ok(Launch {
        role: Role::UserClient,
        program: site.programs.join(USER_CLIENT),
        args: site.client_args.to_vec(),
        config_file: site.dir.join(format!("{name}.yaml")),
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
