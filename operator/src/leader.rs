//! One process at a time looks after the resources: the one that holds a lease.

use std::future::Future;
use std::time::{Duration, Instant};

use kube::Client;
use kube_lease_manager::{LeaseManager, LeaseManagerBuilder, LeaseManagerError};
use tokio::sync::watch;

/// How long a lease holds after it was last renewed, in seconds. Another process takes over after it at the latest.
const DURATION: u64 = 15;
/// How long before its end a lease is renewed, in seconds; also the clocks' greatest difference that does no harm.
const GRACE: u64 = 5;
/// Pause before a renewal that failed is tried again.
const RETRY: Duration = Duration::from_secs(1);

/// The lease to hold.
#[derive(Debug, Clone)]
pub struct Lease {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Who this process is to others.
    pub identity: String,
}

/// A lease that is held, or waited for.
#[derive(Debug)]
pub struct Leadership {
    manager: LeaseManager,
}

impl Leadership {
    /// Makes the lease if it does not exist. Does not wait for it.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn new(client: Client, lease: &Lease) -> Result<Self, LeaseManagerError> {
        let manager = LeaseManagerBuilder::new(client, &lease.name)
            .with_namespace(&lease.namespace)
            .with_identity(&lease.identity)
            .with_duration(DURATION)
            .with_grace(GRACE)
            .build()
            .await?;
        Ok(Self { manager })
    }

    /// Shows in `leads` whether the lease is held, until `stop`; gives it back at the end, so that another process need not wait.
    ///
    /// A lease that cannot be renewed counts as lost when it runs out, whether or not another process has it by then.
    pub async fn keep(self, leads: watch::Sender<bool>, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut failing_since: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                change = self.manager.changed() => match change {
                    Ok(leader) => {
                        failing_since = None;
                        leads.send_replace(leader);
                    }
                    Err(error) => {
                        let since = *failing_since.get_or_insert_with(Instant::now);
                        tracing::warn!(%error, "the lease could not be renewed");
                        if since.elapsed() > Duration::from_secs(GRACE) {
                            leads.send_replace(false);
                        }
                        tokio::time::sleep(RETRY).await;
                    }
                },
            }
        }
        if let Err(error) = self.manager.release().await {
            tracing::warn!(%error, "the lease could not be given back; it runs out by itself");
        }
    }
}
