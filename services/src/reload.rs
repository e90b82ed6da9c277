//! Follows the config file and puts in force what may change live.
//!
//! A file that does not parse or check leaves the last good one in force and says so: in the log, in
//! `bbs_config_reload_failures_total` and on `/config`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use prometheus::{IntCounter, IntGauge};
use serde::Serialize;
use user_info_api::config::Config;
use user_info_api::watch::Changes;
use user_info_layers::metrics::Register;

use crate::config;

/// Files are read this often also where no change is told.
pub(crate) const POLL: Duration = Duration::from_secs(2);

/// What is in force, and what is wrong with the file if it is not what the file says.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InForce<C> {
    /// Generation of the spec that is in force.
    pub generation: i64,
    /// The values in force. Secrets are named by their files, so none stands here.
    pub config: C,
    /// Why the file, as it is now, could not be used.
    pub problem: Option<String>,
    /// Whether the file differs in what takes a restart.
    pub restart_needed: bool,
}

/// The configuration in force.
#[derive(Debug)]
pub struct Live<C> {
    state: ArcSwap<InForce<C>>,
    metrics: Metrics,
}

/// What is counted about changes of the config file.
#[derive(Debug)]
pub struct Metrics {
    reloads: IntCounter,
    failures: IntCounter,
    /// 1 while the file cannot be used.
    refused: IntGauge,
    generation: IntGauge,
}

impl Metrics {
    /// Registers the metrics.
    ///
    /// # Errors
    /// If the registry has metrics of these names already.
    pub fn new(registry: &dyn Register) -> prometheus::Result<Self> {
        let failures = "Changes of the config file that could not be used.";
        let refused = "1 while the config file cannot be used and the last good one is in force, 0 otherwise.";
        Ok(Self {
            reloads: registry.counter("bbs_config_reloads_total", "Changes of the config file put in force.")?,
            failures: registry.counter("bbs_config_reload_failures_total", failures)?,
            refused: registry.gauge("bbs_config_refused", refused)?,
            generation: registry.gauge("bbs_config_generation", "Generation of the spec in force.")?,
        })
    }
}

impl<C: Config> Live<C> {
    /// Begins with `config` in force. Counts its changes in `metrics`.
    pub fn new(config: C, metrics: Metrics) -> Self {
        metrics.generation.set(config.generation());
        let state = InForce { generation: config.generation(), config, problem: None, restart_needed: false };
        Self { state: ArcSwap::from_pointee(state), metrics }
    }

    /// What is in force now.
    pub fn get(&self) -> Arc<InForce<C>> {
        self.state.load_full()
    }

    /// Follows the file at `path` for ever. `amend` puts in what comes from elsewhere, as from the command line; `configure` is given each new
    /// configuration.
    pub async fn follow(&self, path: &Path, amend: impl Fn(&mut C), mut configure: impl FnMut(&C)) {
        let mut changes = Changes::of(&[path.to_owned()], POLL);
        let mut seen = None;
        loop {
            let text = tokio::fs::read_to_string(path).await.map_err(|e| format!("{}: cannot be read: {e}", path.display()));
            if seen.as_ref() != Some(&text) {
                match text.as_deref().map_err(Clone::clone).and_then(|t| config::parse::<C>(path, t).map_err(|e| e.to_string())) {
                    Ok(mut config) => {
                        amend(&mut config);
                        self.accept(&config, &mut configure);
                    }
                    Err(problem) => self.refuse(problem),
                }
                seen = Some(text);
            }
            changes.next().await;
        }
    }

    fn accept(&self, file: &C, configure: &mut impl FnMut(&C)) {
        self.metrics.refused.set(0);
        let old = self.get();
        let config = old.config.with_live(file);
        let restart_needed = config != *file;
        if config == old.config && old.problem.is_none() && restart_needed == old.restart_needed {
            return;
        }
        if restart_needed && !old.restart_needed {
            tracing::warn!("the config file changed in more than its live part; the rest takes a restart");
        }
        if config != old.config {
            configure(&config);
            self.metrics.reloads.inc();
            self.metrics.generation.set(config.generation());
            tracing::info!(generation = config.generation(), "live settings in force");
        }
        self.state.store(Arc::new(InForce { generation: config.generation(), config, problem: None, restart_needed }));
    }

    fn refuse(&self, problem: String) {
        self.metrics.failures.inc();
        self.metrics.refused.set(1);
        tracing::warn!(problem, generation = self.get().generation, "config file not usable, the last good one stays in force");
        self.state.store(Arc::new(InForce { problem: Some(problem), ..InForce::clone(&self.get()) }));
    }
}

#[cfg(test)]
mod tests;
