//! Which process has which port.

use std::collections::{BTreeMap, BTreeSet};

use user_info_api::crd::UserInfoDeployment;

use super::process::Process;
use crate::ports::{Ports, loopback};

/// No port is free for an instance or a client.
#[derive(Debug, thiserror::Error)]
#[error("no free port from {0} on: 1000 in a row are taken")]
pub struct NoPort(u16);

/// Ports of one instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InstancePorts {
    /// gRPC.
    pub(super) grpc: u16,
    /// HTTP.
    pub(super) http: u16,
    /// Admin endpoints, if they are not on `http`.
    pub(super) admin: Option<u16>,
}

/// The ports of all instances and clients, by their index. A process that goes keeps its ports for when it comes back.
#[derive(Debug)]
pub(super) struct Allocation {
    ports: Ports,
    instances: BTreeMap<usize, InstancePorts>,
    clients: BTreeMap<usize, u16>,
}

impl Allocation {
    /// Nobody has a port yet but those that were taken from `ports` before.
    pub(super) const fn new(ports: Ports) -> Self {
        Self { ports, instances: BTreeMap::new(), clients: BTreeMap::new() }
    }

    /// Gives so many instances and clients the ports that `resource` asks for, or the next that are free.
    pub(super) fn allocate(&mut self, resource: &UserInfoDeployment, instances: usize, clients: usize) -> Result<(), NoPort> {
        let server = &resource.spec.server;
        for index in 0..instances {
            let have = self.instances.get(&index).copied();
            let grpc = self.port(have.map(|p| p.grpc), server.grpc_port, index)?;
            let http = self.port(have.map(|p| p.http), server.http_port, index)?;
            let has_admin = have.and_then(|p| p.admin);
            let admin = match server.metrics_port {
                Some(wanted) => Some(self.port(has_admin, wanted, index)?),
                None => {
                    has_admin.into_iter().for_each(|port| self.ports.take_back(port));
                    None
                }
            };
            self.instances.insert(index, InstancePorts { grpc, http, admin });
        }
        for index in 0..clients {
            let port = self.port(self.clients.get(&index).copied(), resource.spec.client.metrics_port, index)?;
            self.clients.insert(index, port);
        }
        Ok(())
    }

    /// The port of the process at `index`, counted up from `first`: the one it has, unless the spec now asks for another.
    fn port(&mut self, has: Option<u16>, first: u16, index: usize) -> Result<u16, NoPort> {
        let wanted = first.saturating_add(u16::try_from(index).unwrap_or(u16::MAX));
        match has {
            Some(port) if self.ports.wanted(port) == Some(wanted) => return Ok(port),
            Some(port) => self.ports.take_back(port),
            None => {}
        }
        self.ports.give(wanted).ok_or(NoPort(wanted))
    }

    /// The ports of the first `count` instances.
    pub(super) fn instances(&self, count: usize) -> impl Iterator<Item = (usize, InstancePorts)> {
        self.instances.range(..count).map(|(index, ports)| (*index, *ports))
    }

    /// The ports of the first `count` clients.
    pub(super) fn clients(&self, count: usize) -> impl Iterator<Item = (usize, u16)> {
        self.clients.range(..count).map(|(index, port)| (*index, *port))
    }

    /// Where the first `count` instances serve gRPC.
    pub(super) fn peers(&self, count: usize) -> Vec<String> {
        self.instances(count).map(|(_, ports)| loopback(ports.grpc).to_string()).collect()
    }

    /// Says in the note of a process which ports it should have that are taken.
    pub(super) fn note_taken(&self, process: &mut Process) {
        let used = BTreeSet::from([process.grpc, process.http, process.admin]).into_iter().flatten().map(|address| address.port());
        let taken = used.filter_map(|port| self.ports.wanted(port).filter(|wanted| *wanted != port)).map(|port| port.to_string());
        let taken: Vec<_> = taken.collect();
        if !taken.is_empty() {
            let taken = format!("not on {}: taken", taken.join(" and "));
            process.note = Some(process.note.take().map_or(taken.clone(), |note| format!("{note}; {taken}")));
        }
    }
}
