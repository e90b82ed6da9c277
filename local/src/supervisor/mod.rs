//! Runs the system: the registry, the instances, the clients and the page, and follows the spec.

mod backoff;
mod launch;
mod runner;
mod sampler;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::Instant;
use user_info_api::crd::{AddonMode, UserInfoDeployment};
use user_info_api::render::Target;

pub use launch::{InstancePorts, Launch, Site, USER_CLIENT, USER_INFO, client, instance, wanted};
pub use runner::{Event, Line, Runner};
pub use sampler::Sampler;

use crate::error::RunError;
use crate::http::Http;
use crate::page::{Process, ProcessState, Role, Snapshot};
use crate::ports::{Ports, loopback};
use crate::spec::{Change, RunningSpec};

/// What does not change while the system runs.
#[derive(Debug, Clone)]
pub struct Place {
    /// Folder of config files and of the embedded store of users.
    pub dir: PathBuf,
    /// Folder of secrets.
    pub secrets: PathBuf,
    /// Folder of the programs.
    pub programs: PathBuf,
    /// Where the embedded registry listens.
    pub registry: std::net::SocketAddr,
    /// Where the page is.
    pub page: std::net::SocketAddr,
    /// Further arguments of `user_client`.
    pub client_args: Vec<String>,
}

/// The running system.
#[derive(Debug)]
pub struct Supervisor {
    place: Place,
    spec: RunningSpec,
    runners: BTreeMap<String, Runner>,
    instance_ports: BTreeMap<usize, InstancePorts>,
    client_ports: BTreeMap<usize, u16>,
    ports: Ports,
    http: Http,
    rolling: Arc<Semaphore>,
    events: mpsc::UnboundedSender<Event>,
    snapshot: watch::Sender<Arc<Snapshot>>,
    started: Instant,
    changed: Instant,
}

/// No port is free for an instance or a client.
#[derive(Debug, thiserror::Error)]
#[error("no free port from {0} on: 1000 in a row are taken")]
pub struct NoPort(u16);

impl Supervisor {
    /// Nothing runs yet; [`apply`](Self::apply) starts what the spec asks for. What happens comes through the receiver.
    pub fn new(place: Place, spec: RunningSpec, ports: Ports) -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (events, happens) = mpsc::unbounded_channel();
        let supervisor = Self {
            place,
            spec,
            runners: BTreeMap::new(),
            instance_ports: BTreeMap::new(),
            client_ports: BTreeMap::new(),
            ports,
            http: Http::default(),
            rolling: Arc::new(Semaphore::new(1)),
            events,
            snapshot: watch::Sender::default(),
            started: Instant::now(),
            changed: Instant::now(),
        };
        (supervisor, happens)
    }

    /// Brings the processes to what the spec asks for: starts, changes live, restarts one after the other, or stops.
    ///
    /// # Errors
    /// If no port is free, or the services refuse their settings; what was started before that runs.
    pub fn apply(&mut self) -> Result<(), RunError> {
        self.changed = Instant::now();
        let resource = self.spec.resource().clone();
        if resource.spec.operation.paused {
            return Ok(());
        }
        for launch in self.launches(&resource)? {
            match self.runners.get(&launch.name) {
                Some(runner) => runner.change(launch),
                None => self.start(launch),
            }
        }
        self.publish();
        Ok(())
    }

    fn start(&mut self, launch: Launch) {
        let name = launch.name.clone();
        let runner = Runner::start(launch, self.http.clone(), Arc::clone(&self.rolling), self.events.clone());
        self.runners.insert(name, runner);
    }

    /// What has to run; stops what has not.
    fn launches(&mut self, resource: &UserInfoDeployment) -> Result<Vec<Launch>, RunError> {
        let (instances, clients) = wanted(resource);
        let server = &resource.spec.server;
        for index in 0..instances {
            let have = self.instance_ports.get(&index).copied();
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
            self.instance_ports.insert(index, InstancePorts { grpc, http, admin });
        }
        for index in 0..clients {
            let port = self.port(self.client_ports.get(&index).copied(), resource.spec.client.metrics_port, index)?;
            self.client_ports.insert(index, port);
        }
        let peers = self.instance_ports.range(..instances).map(|(_, p)| loopback(p.grpc).to_string()).collect();
        let place = self.place.clone();
        let registry = place.registry.to_string();
        let (generation, faults_since) = (self.spec.generation(), self.spec.faults_since());
        let target = Target::local(&place.dir, &place.secrets, &registry, peers, generation, faults_since);
        let site = Site { dir: &place.dir, programs: &place.programs, client_args: &place.client_args };
        let instances = self.instance_ports.range(..instances).map(|(i, ports)| instance(resource, &target, &site, *i, *ports));
        let clients = self.client_ports.range(..clients).map(|(i, port)| client(resource, &target, &site, *i, *port));
        let launches: Vec<Launch> = instances.chain(clients).collect::<Result<_, _>>().map_err(|e| RunError::Spec(e.to_string()))?;
        for (name, runner) in &self.runners {
            if !launches.iter().any(|l| l.name == *name) {
                runner.stop();
            }
        }
        Ok(launches)
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

    /// Says of a process that a port it should have is taken.
    fn note_ports(&self, process: &mut Process) {
        let moved = BTreeSet::from([process.grpc, process.http, process.admin]).into_iter().flatten().map(|a| a.port());
        let moved = moved.filter_map(|port| self.ports.wanted(port).filter(|wanted| *wanted != port)).map(|p| p.to_string());
        let moved = moved.collect::<Vec<_>>();
        if !moved.is_empty() {
            let taken = format!("not on {}: taken", moved.join(" and "));
            process.note = Some(process.note.take().map_or(taken.clone(), |note| format!("{note}; {taken}")));
        }
    }

    /// The spec in force, to be edited; [`apply`](Self::apply) carries the edit out.
    pub const fn spec_mut(&mut self) -> &mut RunningSpec {
        &mut self.spec
    }

    /// Whether the instances speak TLS.
    pub fn secure(&self) -> bool {
        self.spec.resource().spec.server.tls.is_some()
    }

    /// Generation of the spec in force.
    pub const fn generation(&self) -> i64 {
        self.spec.generation()
    }

    /// The instances and clients that run or ought to, instances first.
    pub fn processes(&self) -> Vec<Process> {
        let shown = |p: &Process| p.state != ProcessState::Stopped;
        let mut processes: Vec<Process> = self.runners.values().map(Runner::process).filter(shown).collect();
        processes.sort_by_key(|p| (p.role != Role::UserInfo, p.name.len(), p.name.clone()));
        processes
    }

    /// Everything that runs, the registry and the page included.
    pub fn table(&self) -> Vec<Process> {
        let part = |name: &str, role, http, note: &str| Process {
            name: name.to_owned(),
            role,
            state: ProcessState::Ready,
            pid: None,
            grpc: None,
            http: Some(http),
            admin: None,
            restarts: 0,
            weight: None,
            generation: None,
            since_seconds: self.started.elapsed().as_secs(),
            note: Some(note.to_owned()),
        };
        let consul = &self.spec.resource().spec.addons.consul;
        let registry = match (consul.mode, &consul.external) {
            (AddonMode::Managed, _) => "embedded; speaks Consul's HTTP API".to_owned(),
            (AddonMode::External, Some(external)) => format!("not used: Consul is at {}", external.address),
            _ => "not used: the client has a list of the instances".to_owned(),
        };
        let mut all = vec![part("registry", Role::Agent, self.place.registry, &registry)];
        all.extend(self.processes());
        all.push(part("page", Role::Page, self.place.page, "open it in a browser"));
        all.iter_mut().for_each(|process| self.note_ports(process));
        all
    }

    /// How long the processes took to come to what the spec asks for; none if they have not.
    pub fn settled(&self) -> Option<Duration> {
        let there = |p: &Process| p.state == ProcessState::Ready && p.generation == Some(self.spec.generation());
        let all =
            self.runners.values().all(|r| if r.is_stopping() { r.process().state == ProcessState::Stopped } else { there(&r.process()) });
        (all && !self.spec.resource().spec.operation.paused).then(|| self.changed.elapsed())
    }

    /// Follows the snapshots that the page shows.
    pub fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshot.subscribe()
    }

    /// Shows the page how things are.
    pub fn publish(&self) {
        let spec = &self.spec;
        let snapshot = Snapshot {
            generation: spec.generation(),
            name: spec.resource().metadata.name.clone().unwrap_or_default(),
            spec: serde_json::to_value(&spec.resource().spec).unwrap_or_default(),
            yaml: serde_yaml::to_string(spec.resource()).unwrap_or_default(),
            file: spec.file().display().to_string(),
            differs_from_file: spec.differs_from_file(),
            problem: spec.problem().map(str::to_owned),
            processes: self.table(),
        };
        self.snapshot.send_replace(Arc::new(snapshot));
    }

    /// Looks at the metrics of whatever runs.
    pub fn sampler(&self) -> Sampler {
        Sampler::new(self.http.clone(), self.snapshots())
    }

    /// Ends all processes: the clients first, so that no call fails for want of an instance.
    pub async fn shut_down(mut self) {
        for client in [true, false] {
            let mut those: Vec<&mut Runner> =
                self.runners.values_mut().filter(|r| (r.process().role == Role::UserClient) == client).collect();
            those.iter().for_each(|r| r.stop());
            for runner in &mut those {
                runner.stopped().await;
            }
        }
    }
}

/// The changes in one line.
pub fn summary(changes: &[Change]) -> String {
    changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
