//! What a target knows that the spec does not.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::config::{Consul, Listener};
use crate::crd::{AddonMode, SecretRef, UserInfoDeployment};

/// What a target knows that the spec does not, the same for all instances.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Generation of the spec.
    pub generation: i64,
    /// Directory with the secrets, as `<secret>/<key>`.
    pub secrets: PathBuf,
    /// Where the users are if no MySQL is used.
    pub sqlite: PathBuf,
    /// The managed Consul or what stands in for it; none where there is neither.
    pub consul: Option<ManagedConsul>,
    /// The managed MySQL; none where SQLite stands in for it.
    pub mysql: Option<ManagedStore>,
    /// The managed Redis; none where memory stands in for it.
    pub redis: Option<ManagedStore>,
    /// Where `user_client` finds instances without a registry.
    pub peers: Peers,
    /// When the faults of the spec were set; `expireAfter` counts from it.
    pub faults_since: SystemTime,
}

/// A Consul that is installed with the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedConsul {
    /// Agents, each as `host:port`.
    pub addresses: Vec<String>,
    /// ACL token, under the key `token` unless it names another; none if none is asked for.
    pub token: Option<SecretRef>,
}

/// A store that is installed with the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedStore {
    /// `host:port`.
    pub address: String,
    /// Its password, under the key `password` unless it names another; none if none is asked for.
    pub password: Option<SecretRef>,
}

/// Where instances are found without a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peers {
    /// A name whose addresses are the instances.
    Dns(String),
    /// Their gRPC addresses, `host:port`.
    Addresses(Vec<String>),
}

/// What is one instance's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerInstance {
    /// Place in the list of weights, from 0; none where instances have no order.
    pub index: Option<usize>,
    /// Identity in the registry; none to have the instance make one.
    pub id: Option<String>,
    /// gRPC listener.
    pub grpc: Listener,
    /// HTTP listener.
    pub http: Listener,
    /// Listener of the admin endpoints if they are not on `http`.
    pub admin: Option<Listener>,
}

/// What is one client's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientInstance {
    /// Identity in the registry; none to have the client make one.
    pub id: Option<String>,
    /// Listener of the admin endpoints.
    pub admin: Listener,
}

impl Target {
    /// A namespace of a Kubernetes cluster, without the parts that the operator may install there.
    pub fn cluster(resource: &UserInfoDeployment, faults_since: SystemTime) -> Self {
        let name = resource.metadata.name.as_deref().unwrap_or_default();
        Self {
            generation: resource.metadata.generation.unwrap_or_default(),
            secrets: PathBuf::from("/etc/user-info/secrets"),
            sqlite: PathBuf::from("/var/lib/user-info/users.db"),
            consul: None,
            mysql: None,
            redis: None,
            peers: Peers::Dns(format!("{name}-user-info-peers")),
            faults_since,
        }
    }

    /// Processes on this machine, with stand-ins for what would be installed: an SQLite file in `dir`, memory, and the registry at `consul`.
    pub fn local(dir: &Path, secrets: &Path, consul: &str, peers: Vec<String>, generation: i64, faults_since: SystemTime) -> Self {
        Self {
            generation,
            secrets: secrets.to_owned(),
            sqlite: dir.join("users.db"),
            consul: Some(ManagedConsul { addresses: vec![consul.to_owned()], token: None }),
            mysql: None,
            redis: None,
            peers: Peers::Addresses(peers),
            faults_since,
        }
    }

    /// The file that holds what `secret` names, under `usual_key` unless it names another.
    pub fn secret_file(&self, secret: &SecretRef, usual_key: &str) -> PathBuf {
        self.secret(&secret.name, secret.key.as_deref().unwrap_or(usual_key))
    }

    /// The file that holds `key` of the Secret called `name`.
    pub fn secret(&self, name: &str, key: &str) -> PathBuf {
        self.secrets.join(name).join(key)
    }

    /// How Consul is reached, if there is one, and where its addresses come from.
    pub(super) fn registry(&self, resource: &UserInfoDeployment) -> (Option<Consul>, &'static str) {
        let consul = &resource.spec.addons.consul;
        let reached = |addresses: Vec<String>, token: Option<&SecretRef>| Consul {
            addresses,
            token_file: token.map(|secret| self.secret_file(secret, "token")),
            ..Consul::default()
        };
        match (consul.mode, &consul.external) {
            (AddonMode::Managed, _) => {
                let managed = self.consul.as_ref().map(|managed| reached(managed.addresses.clone(), managed.token.as_ref()));
                (managed, "spec.addons.consul.values")
            }
            (AddonMode::External, Some(external)) => {
                let addresses = external.address.split(',').map(str::to_owned).collect();
                (Some(reached(addresses, external.secret_ref.as_ref())), "spec.addons.consul.external.address")
            }
            (AddonMode::External, None) | (AddonMode::Disabled, _) => (None, "spec.addons.consul.mode"),
        }
    }
}

impl ServerInstance {
    /// A pod: the ports of the spec on all of its addresses.
    pub fn pod(resource: &UserInfoDeployment) -> Self {
        let server = &resource.spec.server;
        Self {
            index: None,
            id: None,
            grpc: everywhere(server.grpc_port),
            http: everywhere(server.http_port),
            admin: server.metrics_port.map(everywhere),
        }
    }
}

impl ClientInstance {
    /// A pod: the port of the spec on all of its addresses.
    pub fn pod(resource: &UserInfoDeployment) -> Self {
        Self { id: None, admin: everywhere(resource.spec.client.metrics_port) }
    }
}

fn everywhere(port: u16) -> Listener {
    SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)).into()
}
