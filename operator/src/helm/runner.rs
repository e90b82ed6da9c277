//! Runs Helm beside the reconciles, which do not wait for it: a few at a time, one for a release.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::{Stream, stream};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::time::Instant;

use super::command::{Call, Verb};
use super::complaint::Complaint;
use super::exec::{Failure, Program};
use crate::metrics::Metrics;

/// Endings that wait to be heard. Where more come at once some are not, and are seen at the next look.
const ENDINGS: usize = 1024;

/// A release: its namespace and its name.
pub type ReleaseKey = (String, String);

/// What became of what was begun for a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    /// Helm is at work, or waits for its turn.
    Running(Verb),
    /// It ended; none if well.
    Ended(Verb, Option<Complaint>),
}

/// Something to be done with a release.
#[derive(Debug)]
pub struct Task {
    /// The release.
    pub key: ReleaseKey,
    /// The resource that it belongs to; it is looked at again when Helm has ended.
    pub owner: String,
    /// What is done.
    pub verb: Verb,
    /// How.
    pub calls: Vec<Call>,
    /// How long it may take.
    pub limit: Duration,
}

/// Runs Helm.
#[derive(Debug)]
pub struct Runner {
    program: Program,
    turns: Arc<Semaphore>,
    releases: Arc<Mutex<HashMap<ReleaseKey, TaskState>>>,
    ended: broadcast::Sender<(String, String)>,
    stop: watch::Sender<bool>,
    metrics: Arc<Metrics>,
}

impl Runner {
    /// Runs up to `concurrency` at a time.
    pub fn new(program: Program, concurrency: usize, metrics: Arc<Metrics>) -> Self {
        Self {
            program,
            turns: Arc::new(Semaphore::new(concurrency)),
            releases: Arc::default(),
            ended: broadcast::Sender::new(ENDINGS),
            stop: watch::Sender::new(false),
            metrics,
        }
    }

    /// Namespace and name of each resource for which Helm has ended from now on.
    pub fn endings(&self) -> impl Stream<Item = (String, String)> + Send + 'static {
        stream::unfold(self.ended.subscribe(), async |mut endings| {
            loop {
                match endings.recv().await {
                    Ok(ending) => return Some((ending, endings)),
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return None,
                }
            }
        })
    }

    /// What became of what was begun for a release. An ending is told once.
    pub fn state(&self, key: &ReleaseKey) -> Option<TaskState> {
        let mut releases = lock(&self.releases);
        match releases.get(key)? {
            running @ TaskState::Running(_) => Some(running.clone()),
            TaskState::Ended(..) => releases.remove(key),
        }
    }

    /// Begins, unless Helm is at work on the release already or is to begin nothing any more.
    pub fn begin(&self, task: Task) {
        let Task { key, owner, verb, calls, limit } = task;
        if *self.stop.borrow() || matches!(lock(&self.releases).get(&key), Some(TaskState::Running(_))) {
            return;
        }
        lock(&self.releases).insert(key.clone(), TaskState::Running(verb));
        let (program, turns, mut stop) = (self.program.clone(), Arc::clone(&self.turns), self.stop.subscribe());
        let (releases, ended, metrics) = (Arc::clone(&self.releases), self.ended.clone(), Arc::clone(&self.metrics));
        tokio::spawn(async move {
            // The semaphore is never closed.
            let _turn = tokio::select! { turn = turns.acquire() => turn.ok(), _ = stop.wait_for(|stop| *stop) => None };
            let start = Instant::now();
            tracing::info!(namespace = key.0, release = key.1, verb = verb.name(), "helm begins");
            let outcome = if *stop.borrow() { Err(Failure::Stopped) } else { program.run(&key.0, calls, limit, &mut stop).await };
            let took = start.elapsed();
            let (outcome, complaint) = match outcome {
                Ok(()) => ("ok", None),
                Err(Failure::Stopped) => ("stopped", None),
                Err(Failure::Complaint(complaint)) => ("error", Some(complaint)),
            };
            metrics.helm(verb.name(), outcome, took);
            let why = complaint.as_ref().map(|complaint| complaint.message.as_str());
            tracing::info!(namespace = key.0, release = key.1, verb = verb.name(), outcome, why, ?took, "helm ended");
            let namespace = key.0.clone();
            lock(&releases).insert(key, TaskState::Ended(verb, complaint));
            // Nobody listens when the operator ends.
            let _ = ended.send((namespace, owner));
        });
    }

    /// Has every Helm that runs end, and begins no other. Ends when all have.
    pub async fn stop(&self) {
        self.stop.send_replace(true);
        self.stop.closed().await;
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

fn lock(releases: &Mutex<HashMap<ReleaseKey, TaskState>>) -> MutexGuard<'_, HashMap<ReleaseKey, TaskState>> {
    releases.lock().unwrap_or_else(PoisonError::into_inner)
}
