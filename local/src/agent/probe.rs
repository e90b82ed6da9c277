//! The task that runs what is due: TTLs, removals and connections.

use std::io;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::Agent;
use super::catalog::Probe;

/// Runs checks for ever. Connections under way are dropped with it.
pub(super) async fn run(agent: &Agent) {
    let mut connections = JoinSet::new();
    loop {
        let now = Instant::now();
        let (due, deadline) = agent.with(|catalog| {
            catalog.tick(now);
            (catalog.due_probes(now), catalog.next_deadline())
        });
        for probe in due {
            connections.spawn(async move {
                let result = connect(&probe).await;
                (probe, result)
            });
        }
        tokio::select! {
            () = agent.0.timers.notified() => {}
            () = async { sleep_until(deadline.unwrap_or(now)).await }, if deadline.is_some() => {}
            Some(done) = connections.join_next() => {
                if let Ok((probe, result)) = done {
                    agent.with(|catalog| catalog.probed(&probe, result, Instant::now()));
                }
            }
        }
    }
}

/// Opens and closes a connection; the error is in the words of Go, which Consul shows.
async fn connect(probe: &Probe) -> Result<(), String> {
    match timeout(probe.timeout, TcpStream::connect(&probe.address)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => Err("connect: connection refused".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("i/o timeout".to_owned()),
    }
}
