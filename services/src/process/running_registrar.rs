//! The instance's place in the registry, from start to stop.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use user_info_api::config::Consul;

use super::readiness::{Part, Readiness};
use crate::registry::{Instance, Registrar, RegistrarMetrics, RegistrarState, SetupError};

/// An instance that cannot register for this long serves all the same, and says so.
const PATIENCE: Duration = Duration::from_secs(5);

/// A running registrar, if the configuration names a registry.
#[derive(Debug, Default)]
pub struct RunningRegistrar(Option<(oneshot::Sender<()>, JoinHandle<()>)>);

impl RunningRegistrar {
    /// Keeps `instance` registered with `consul`, if there is one, counts that in `metrics`, and reports it as the part `registry` of `readiness`.
    ///
    /// # Errors
    /// If the settings cannot be used.
    pub fn start(
        consul: Option<&Consul>,
        instance: &Instance,
        metrics: Option<RegistrarMetrics>,
        readiness: &Readiness,
    ) -> Result<Self, SetupError> {
        let (Some(consul), Some(metrics)) = (consul, metrics) else { return Ok(Self::default()) };
        let registrar = Registrar::new(consul, "registry.consul", instance, metrics)?;
        readiness.add(probe(registrar.state()));
        let (leave, told_to_leave) = oneshot::channel();
        let task = tokio::spawn(registrar.run(async {
            let _ = told_to_leave.await;
        }));
        Ok(Self(Some((leave, task))))
    }

    /// Leaves the registry; bounded in time by the registrar.
    pub async fn leave(self) {
        if let Some((leave, task)) = self.0 {
            let _ = leave.send(());
            if let Err(error) = task.await {
                tracing::error!(%error, "the registrar ended before it left the registry");
            }
        }
    }
}

/// Required until the first registration is done, or [`PATIENCE`] has passed without one.
fn probe(state: watch::Receiver<RegistrarState>) -> impl Fn() -> Part + Send + Sync {
    let (started, settled) = (Instant::now(), AtomicBool::new(false));
    move || {
        let state = state.borrow();
        let ok = state.is_registered();
        if ok || started.elapsed() >= PATIENCE {
            settled.store(true, Ordering::Relaxed);
        }
        let required = !settled.load(Ordering::Relaxed);
        let message = match &*state {
            RegistrarState::Registered { agent } => format!("registered with {agent}"),
            RegistrarState::Unregistered => "not registered yet".to_owned(),
            RegistrarState::Failing { error, .. } if required => error.clone(),
            RegistrarState::Failing { error, .. } => format!("{error}; serving without it"),
        };
        Part { name: "registry", ok, required, message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn ready_once_registered_and_then_whatever_the_registry_does() {
        let (sender, state) = watch::channel(RegistrarState::Unregistered);
        let readiness = Readiness::default();
        readiness.add(probe(state));
        assert!(!readiness.report().ready);
        sender.send_replace(RegistrarState::Registered { agent: "a:1".into() });
        assert!(readiness.report().ready);
        sender.send_replace(RegistrarState::Failing { since: Instant::now(), error: "gone".into() });
        let report = readiness.report();
        assert!(report.ready && !report.parts[0].ok);
        assert_eq!(report.parts[0].message, "gone; serving without it");
        readiness.drain();
        assert!(!readiness.report().ready);
    }

    #[tokio::test(start_paused = true)]
    async fn ready_without_a_registry_after_a_while() {
        let (_sender, state) = watch::channel(RegistrarState::Failing { since: Instant::now(), error: "refused".into() });
        let readiness = Readiness::default();
        readiness.add(probe(state));
        assert!(!readiness.report().ready);
        tokio::time::advance(PATIENCE).await;
        assert!(readiness.report().ready);
    }
}
