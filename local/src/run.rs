//! The program from start to end.

mod signals;
mod system;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use user_info_api::crd::UserInfoDeploymentSpec;
use user_info_api::watch::Changes;

use self::signals::Signals;
use self::system::System;
use crate::agent::Agent;
use crate::args::{Args, Output};
use crate::error::RunError;
use crate::http::Http;
use crate::page::{self, Edit};
use crate::ports::Ports;
use crate::sampler::{Sampler, Samples};
use crate::spec::RunningSpec;
use crate::store;
use crate::supervisor::{Environment, Event, Supervisor, USER_CLIENT, USER_INFO};
use crate::terminal::Terminal;

/// First port to try for the registry.
const REGISTRY: u16 = 8500;
/// The file is read this often whatever change events say, which do not follow links.
const POLL: Duration = Duration::from_secs(1);

/// Runs the system that `args` describe until Ctrl-C or SIGTERM.
///
/// # Errors
/// If it cannot start; then nothing of it runs.
pub async fn run(args: &Args) -> Result<(), RunError> {
    let terminal = Terminal::new(args.output, args.quiet);
    let spec = RunningSpec::read(&args.file).map_err(RunError::Spec)?;
    let mut signals = Signals::new().map_err(RunError::system("signals"))?;
    let temporary = tempfile::Builder::new().prefix("user-info-local-").tempdir().map_err(RunError::system("a temporary folder"))?;
    let dir = args.dir.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&dir).map_err(RunError::system(dir.display().to_string()))?;
    let programs = programs(args)?;

    let mut ports = Ports::default();
    let registry = ports.listen(REGISTRY).map_err(RunError::system("a port for the registry"))?;
    let page = ports.listen(args.page_port).map_err(RunError::system("a port for the page"))?;
    let (registry_address, page_address) = (address(&registry)?, address(&page)?);
    let environment = Environment {
        registry: registry_address,
        secrets: args.secrets.clone(),
        client_args: if args.output == Output::Json { vec!["--output".to_owned(), "json".to_owned()] } else { Vec::new() },
        programs,
        dir,
    };
    store::prepare(&environment).await?;

    let name = spec.resource().metadata.name.clone().unwrap_or_default();
    terminal.say("start", &format!("{name}: starting {}", parts(&spec.resource().spec)));
    let (end, ended) = watch::channel(false);
    let agent = tokio::spawn(Agent::default().run(listener(registry)?, until(ended.clone())));
    let http = Http::default();
    let (supervisor, events) = Supervisor::new(environment, ports, http.clone());
    let system = System::start(spec, supervisor, registry_address, page_address, terminal, args.verbose)?;
    let samples = Arc::new(Samples::new());
    let sampler = tokio::spawn(Sampler::new(http, system.targets()).run(Arc::clone(&samples)));
    let (edits, edited) = mpsc::channel(16);
    let state = page::AppState {
        snapshot: system.snapshots(),
        samples,
        edits,
        token: page::Token::random().map_err(RunError::system("a random token"))?,
        port: page_address.port(),
    };
    let page = tokio::spawn(page::serve(listener(page)?, state, until(ended)));

    let system = follow(system, &args.file, events, edited, &mut signals, terminal).await;
    sampler.abort();
    tokio::select! {
        () = system.shut_down() => {}
        name = signals.next() => terminal.say("stop", &format!("{name} again: ending at once")),
    }
    end.send_replace(true);
    let _ = tokio::time::timeout(Duration::from_secs(1), async { tokio::join!(agent, page) }).await;
    Ok(())
}

/// Feeds the system with what happens, until a signal asks for its end.
async fn follow(
    mut system: System,
    file: &Path,
    mut events: mpsc::UnboundedReceiver<Event>,
    mut edits: mpsc::Receiver<Edit>,
    signals: &mut Signals,
    terminal: Terminal,
) -> System {
    let mut changes = Changes::of(&[file.to_owned()], POLL);
    loop {
        tokio::select! {
            biased;
            name = signals.next() => {
                terminal.say("stop", &format!("{name}: stopping the clients, then the instances"));
                return system;
            }
            Some(event) = events.recv() => system.happened(event),
            () = changes.next() => system.follow_file(),
            Some(edit) = edits.recv() => system.carry_out(edit),
        }
    }
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

fn address(listener: &std::net::TcpListener) -> Result<SocketAddr, RunError> {
    listener.local_addr().map_err(RunError::system("a listener"))
}

fn listener(listener: std::net::TcpListener) -> Result<TcpListener, RunError> {
    TcpListener::from_std(listener).map_err(RunError::system("a listener"))
}

async fn until(mut ended: watch::Receiver<bool>) {
    let _ = ended.wait_for(|ended| *ended).await;
}
