//! The program from start to end.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};

use user_info_api::crd::UserInfoDeploymentSpec;
use user_info_api::watch::Changes;

use crate::agent::Agent;
use crate::args::{Args, Output};
use crate::error::RunError;
use crate::page::{self, Edit, Samples};
use crate::ports::Ports;
use crate::spec::RunningSpec;
use crate::store;
use crate::supervisor::{Event, Place, Supervisor, USER_CLIENT, USER_INFO, summary};
use crate::terminal::Terminal;

/// First ports to try.
const REGISTRY: u16 = 8500;
/// The file is read this often whatever change events say, which do not follow links; changes of its own that the system missed are published
/// this often.
const POLL: Duration = Duration::from_secs(1);

/// Runs the system that `args` describe until Ctrl-C or SIGTERM.
///
/// # Errors
/// If it cannot start; then nothing of it runs.
pub async fn run(args: &Args) -> Result<(), RunError> {
    let terminal = Terminal::new(args.output, args.quiet);
    let spec = RunningSpec::read(&args.file).map_err(RunError::Spec)?;
    let mut signals = signals().map_err(RunError::system("signals"))?;
    let temporary = tempfile::Builder::new().prefix("user-info-local-").tempdir().map_err(RunError::system("a temporary folder"))?;
    let dir = args.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&dir).map_err(RunError::system(dir.display().to_string()))?;
    let programs = programs(args)?;

    let mut ports = Ports::default();
    let registry = ports.listen(REGISTRY).map_err(RunError::system("a port for the registry"))?;
    let page = ports.listen(args.page_port).map_err(RunError::system("a port for the page"))?;
    let address = |l: &std::net::TcpListener| l.local_addr().map_err(RunError::system("a listener"));
    let place = Place {
        registry: address(&registry)?,
        page: address(&page)?,
        secrets: args.secrets.clone(),
        client_args: if args.output == Output::Json { vec!["--output".to_owned(), "json".to_owned()] } else { Vec::new() },
        programs,
        dir,
    };
    store::prepare(&place).await?;

    let name = spec.resource().metadata.name.clone().unwrap_or_default();
    terminal.say("start", &format!("{name}: starting {}", parts(&spec.resource().spec)));
    let (mut supervisor, mut events) = Supervisor::new(place, spec, ports);
    let (end, ended) = watch::channel(false);
    let agent = tokio::spawn(Agent::default().run(listener(registry)?, until(ended.clone())));
    supervisor.apply()?;
    let samples = Arc::new(Samples::new());
    let (edits, mut edited) = mpsc::channel(16);
    let state = page::State {
        snapshot: supervisor.snapshots(),
        samples: Arc::clone(&samples),
        edits,
        token: page::Token::random().map_err(RunError::system("a random token"))?,
        port: address(&page)?.port(),
    };
    let page = tokio::spawn(axum::serve(listener(page)?, page::router(state)).with_graceful_shutdown(until(ended)).into_future());

    let mut changes = Changes::of(std::slice::from_ref(&args.file), POLL);
    let sampler = tokio::spawn(supervisor.sampler().run(samples));
    let mut announced = 0;
    loop {
        tokio::select! {
            biased;
            name = signals.next() => {
                terminal.say("stop", &format!("{name}: stopping the clients, then the instances"));
                break;
            }
            Some(event) = events.recv() => handle(event, args, terminal),
            () = changes.next() => follow_file(&mut supervisor, terminal),
            Some(edit) = edited.recv() => carry_out(edit, &mut supervisor, terminal),
        }
        supervisor.publish();
        if let Some(took) = supervisor.settled().filter(|_| announced != supervisor.generation()) {
            announce(&supervisor, took, announced == 0, args, terminal);
            announced = supervisor.generation();
        }
    }
    sampler.abort();
    tokio::select! {
        () = supervisor.shut_down() => {}
        name = signals.next() => terminal.say("stop", &format!("{name} again: ending at once")),
    }
    end.send_replace(true);
    let _ = tokio::time::timeout(Duration::from_secs(1), async { tokio::join!(agent, page) }).await;
    Ok(())
}

/// What is started, in words.
fn parts(spec: &UserInfoDeploymentSpec) -> String {
    let instances = if spec.replicas == 1 { "1 instance".to_owned() } else { format!("{} instances", spec.replicas) };
    let client = if spec.client.enabled { ", a client" } else { "" };
    format!("{instances}{client}, the registry and the page")
}

/// Where the programs of the services are.
fn programs(args: &Args) -> Result<PathBuf, RunError> {
    let own = || std::env::current_exe().ok().and_then(|p| p.parent().map(Path::to_owned)).unwrap_or_default();
    let folder = args.programs.clone().unwrap_or_else(own);
    for program in [USER_INFO, USER_CLIENT] {
        let path = folder.join(program);
        if !path.is_file() {
            return Err(RunError::NoProgram(path));
        }
    }
    Ok(folder)
}

fn handle(event: Event, args: &Args, terminal: Terminal) {
    match event {
        Event::Line(line) if line.stdout => terminal.line(&line.text),
        Event::Line(line) if args.verbose => terminal.say("log", &format!("{}: {}", line.name, line.text)),
        Event::Line(_) | Event::Changed => {}
        Event::Ended { name, how, pause } => {
            let then = pause.map_or("waits for a change of the spec".to_owned(), |p| format!("starts again in {p:?}"));
            terminal.say("ended", &format!("{name} ended ({how}); {then}"));
        }
    }
}

fn follow_file(supervisor: &mut Supervisor, terminal: Terminal) {
    match supervisor.spec_mut().reread() {
        Ok(changes) if changes.is_empty() => {}
        Ok(changes) => apply(supervisor, &summary(&changes), terminal),
        Err(problem) => {
            terminal.say("problem", &format!("{problem}\nthe last good spec stays in force (generation {})", supervisor.generation()));
        }
    }
}

fn carry_out(Edit { patch, reply }: Edit, supervisor: &mut Supervisor, terminal: Terminal) {
    let result = supervisor.spec_mut().edit(&patch);
    if let Ok(changes) = &result
        && !changes.is_empty()
    {
        apply(supervisor, &format!("{} (on the page)", summary(changes)), terminal);
    }
    let _ = reply.send(result.map(|_| supervisor.generation()));
}

fn apply(supervisor: &mut Supervisor, what: &str, terminal: Terminal) {
    terminal.say("change", &format!("generation {}: {what}", supervisor.generation()));
    if let Err(error) = supervisor.apply() {
        terminal.say("problem", &error.to_string());
    }
}

/// Says that all processes are as the spec asks; the first time with the table.
fn announce(supervisor: &Supervisor, took: Duration, first: bool, args: &Args, terminal: Terminal) {
    let took = took.as_secs_f64();
    if !first {
        terminal.say("settled", &format!("generation {}: in force everywhere after {took:.2} s", supervisor.generation()));
        return;
    }
    terminal.say("ready", &format!("all ready after {took:.2} s"));
    let curl = if supervisor.secure() { "curl --insecure https" } else { "curl http" };
    let try_next = supervisor.processes().first().and_then(|p| p.http).map(|http| format!("try: {curl}://{http}/user_info/1"));
    let notes = [
        Some("the page stands in for Prometheus and Grafana".to_owned()),
        try_next,
        Some(format!("edit {} and save: settings change live; Ctrl-C ends all", args.file.display())),
    ];
    terminal.table(&supervisor.table(), &notes.into_iter().flatten().collect::<Vec<_>>());
}

fn listener(listener: std::net::TcpListener) -> Result<TcpListener, RunError> {
    TcpListener::from_std(listener).map_err(RunError::system("a listener"))
}

async fn until(mut ended: watch::Receiver<bool>) {
    let _ = ended.wait_for(|ended| *ended).await;
}

/// The signals that end the system.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

fn signals() -> std::io::Result<Signals> {
    Ok(Signals { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
}

impl Signals {
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "Ctrl-C",
        }
    }
}
