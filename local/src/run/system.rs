//! The spec in force and the processes that carry it out: takes in edits and events, and tells what came of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use user_info_api::crd::AddonMode;

use crate::page::Edit;
use crate::sampler::Targets;
use crate::spec::{RunningSpec, summary};
use crate::supervisor::{ApplyError, Event, Process, ProcessState, Role, Supervisor};
use crate::terminal::Terminal;
use crate::view::Snapshot;

/// The running system.
pub(super) struct System {
    spec: RunningSpec,
    supervisor: Supervisor,
    /// The embedded registry and the page, which are parts of this process.
    registry: Process,
    page: Process,
    terminal: Terminal,
    /// Whether the processes' logs are printed.
    verbose: bool,
    snapshot: watch::Sender<Arc<Snapshot>>,
    targets: watch::Sender<Targets>,
    /// Generation that was last said to be in force everywhere; 0 before the first.
    announced: i64,
}

impl System {
    /// Starts what `spec` asks for; `registry` and `page` are where these listen.
    ///
    /// # Errors
    /// If no port is free for a process.
    pub(super) fn start(
        spec: RunningSpec,
        mut supervisor: Supervisor,
        registry: SocketAddr,
        page: SocketAddr,
        terminal: Terminal,
        verbose: bool,
    ) -> Result<Self, ApplyError> {
        supervisor.apply(&spec)?;
        let part = |name, role, http| Process { http: Some(http), ..Process::new(name, role, ProcessState::Ready) };
        let mut system = Self {
            spec,
            supervisor,
            registry: part("registry", Role::Agent, registry),
            page: Process { note: Some("open it in a browser".to_owned()), ..part("page", Role::Page, page) },
            terminal,
            verbose,
            snapshot: watch::Sender::default(),
            targets: watch::Sender::default(),
            announced: 0,
        };
        system.refresh();
        Ok(system)
    }

    /// Follows what the page shows.
    pub(super) fn snapshots(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.snapshot.subscribe()
    }

    /// Follows what the sampler looks at.
    pub(super) fn targets(&self) -> watch::Receiver<Targets> {
        self.targets.subscribe()
    }

    /// Tells what happened to a process.
    pub(super) fn happened(&mut self, event: Event) {
        match event {
            Event::Line(line) if line.stdout => self.terminal.line(&line.text),
            Event::Line(line) if self.verbose => self.terminal.say("log", &format!("{}: {}", line.name, line.text)),
            Event::Line(_) => {}
            Event::Ended { name, how, pause } => {
                let then = pause.map_or("waits for a change of the spec".to_owned(), |p| format!("starts again in {p:?}"));
                self.terminal.say("ended", &format!("{name} ended ({how}); {then}"));
            }
            Event::Changed => self.refresh(),
        }
    }

    /// Carries out what has changed in the file.
    pub(super) fn follow_file(&mut self) {
        match self.spec.reread() {
            Ok(changes) if changes.is_empty() => {}
            Ok(changes) => self.apply(&summary(&changes)),
            Err(problem) => {
                let kept = format!("the last good spec stays in force (generation {})", self.spec.generation());
                self.terminal.say("problem", &format!("{problem}\n{kept}"));
            }
        }
        self.refresh();
    }

    /// Carries out an edit made on the page, and answers it.
    pub(super) fn carry_out(&mut self, Edit { patch, reply }: Edit) {
        let result = self.spec.edit(&patch);
        if let Ok(changes) = &result
            && !changes.is_empty()
        {
            self.apply(&format!("{} (on the page)", summary(changes)));
        }
        let _ = reply.send(result.map(|_| self.spec.generation()));
        self.refresh();
    }

    fn apply(&mut self, what: &str) {
        self.terminal.say("change", &format!("generation {}: {what}", self.spec.generation()));
        if let Err(error) = self.supervisor.apply(&self.spec) {
            self.terminal.say("problem", &error.to_string());
        }
    }

    /// Tells the page, the sampler and the terminal how things are, each if it does not know yet.
    fn refresh(&mut self) {
        self.publish();
        let generation = self.spec.generation();
        if let Some(took) = self.supervisor.settled().filter(|_| self.announced != generation) {
            self.announce(took);
            self.announced = generation;
        }
    }

    fn publish(&self) {
        let processes = self.table();
        let snapshot = Arc::new(Snapshot::of(&self.spec, processes.clone()));
        let breaker = &self.spec.resource().spec.client.circuit_breaker;
        let targets = Targets { processes, breaker: breaker.enabled.then_some(breaker.mode) };
        send_if_new(&self.snapshot, snapshot);
        send_if_new(&self.targets, targets);
    }

    /// Everything that runs, the registry and the page included.
    fn table(&self) -> Vec<Process> {
        let consul = &self.spec.resource().spec.addons.consul;
        let note = match (consul.mode, &consul.external) {
            (AddonMode::Managed, _) => "embedded; speaks Consul's HTTP API".to_owned(),
            (AddonMode::External, Some(external)) => format!("not used: Consul is at {}", external.address),
            _ => "not used: the client has a list of the instances".to_owned(),
        };
        let (mut registry, mut page) = (Process { note: Some(note), ..self.registry.clone() }, self.page.clone());
        self.supervisor.note_taken(&mut registry);
        self.supervisor.note_taken(&mut page);
        [registry].into_iter().chain(self.supervisor.processes()).chain([page]).collect()
    }

    /// Says that all processes are as the spec asks; the first time with the table.
    fn announce(&self, took: Duration) {
        let took = took.as_secs_f64();
        if self.announced != 0 {
            self.terminal.say("settled", &format!("generation {}: in force everywhere after {took:.2} s", self.spec.generation()));
            return;
        }
        self.terminal.say("ready", &format!("all ready after {took:.2} s"));
        let curl = if self.spec.resource().spec.server.tls.is_some() { "curl --insecure https" } else { "curl http" };
        let try_next = self.supervisor.processes().first().and_then(|p| p.http).map(|http| format!("try: {curl}://{http}/user_info/1"));
        let notes = [
            Some("the page stands in for Prometheus and Grafana".to_owned()),
            try_next,
            Some(format!("edit {} and save: settings change live; Ctrl-C ends all", self.spec.file().display())),
        ];
        self.terminal.table(&self.table(), &notes.into_iter().flatten().collect::<Vec<_>>());
    }

    /// Ends all processes, the clients first. The page's streams end after them.
    pub(super) async fn shut_down(self) {
        self.supervisor.shut_down().await;
    }
}

/// Wakes those who follow only if there is something new.
fn send_if_new<T: PartialEq>(sender: &watch::Sender<T>, value: T) {
    sender.send_if_modified(|known| {
        let new = *known != value;
        *known = value;
        new
    });
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::args::Output;
    use crate::http::Http;
    use crate::ports::{Ports, loopback};
    use crate::supervisor::{Environment, Line};

    fn save(file: &Path, burst: u32) {
        let spec = format!("{{replicas: 0, client: {{enabled: false}}, rateLimiter: {{burst: {burst}}}}}");
        let text = format!("apiVersion: userinfo.bbs.dev/v1alpha1\nkind: UserInfoDeployment\nmetadata: {{name: demo}}\nspec: {spec}\n");
        std::fs::write(file, text).expect("written");
    }

    /// A system without processes, which needs neither programs nor ports.
    fn system(file: &Path, dir: &Path) -> System {
        let environment = Environment {
            dir: dir.to_owned(),
            secrets: dir.to_owned(),
            programs: dir.to_owned(),
            registry: loopback(8500),
            client_args: Vec::new(),
        };
        let (supervisor, _) = Supervisor::new(environment, Ports::default(), Http::default());
        let spec = RunningSpec::read(file).expect("valid");
        System::start(spec, supervisor, loopback(8500), loopback(8080), Terminal::new(Output::Text, true), true).expect("no port to take")
    }

    #[tokio::test]
    async fn the_page_is_told_what_changes_and_not_what_processes_say() {
        let dir = tempfile::tempdir().expect("a folder");
        let file = dir.path().join("demo.yaml");
        save(&file, 1);
        let mut system = system(&file, dir.path());
        let mut snapshots = system.snapshots();
        assert_eq!(snapshots.borrow_and_update().generation, 1);

        system.happened(Event::Line(Line { name: "user_info-1".to_owned(), stdout: false, text: "a line".to_owned() }));
        system.happened(Event::Changed);
        system.follow_file();
        assert!(!snapshots.has_changed().expect("the system lives"), "all is as it was");

        save(&file, 2);
        system.follow_file();
        assert!(snapshots.has_changed().expect("the system lives"));
        assert_eq!(snapshots.borrow().generation, 2);
    }

    #[test]
    fn what_is_known_wakes_nobody() {
        let (sender, mut receiver) = watch::channel(Arc::new(1));
        send_if_new(&sender, Arc::new(1));
        assert!(!receiver.has_changed().expect("the sender lives"));
        send_if_new(&sender, Arc::new(2));
        assert!(receiver.has_changed().expect("the sender lives"));
        assert_eq!(**receiver.borrow_and_update(), 2);
    }
}
