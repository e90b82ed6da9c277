//! One process at a time looks after the resources: the one that holds a lease.

use std::future::Future;
use std::time::{Duration, Instant};

use futures_util::{Stream, StreamExt, future};
use k8s_openapi::api::coordination::v1::Lease as LeaseObject;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client};
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
#[expect(missing_debug_implementations, reason = "clients cannot be printed")]
pub struct Leadership {
    manager: LeaseManager,
    hasty: Client,
    client: Client,
    lease: Lease,
}

impl Leadership {
    /// Makes the lease if it does not exist. Does not wait for it. Writes go through `hasty`, a client that soon gives up; the watch goes
    /// through `client`.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn new(hasty: Client, client: Client, lease: Lease) -> Result<Self, LeaseManagerError> {
        Ok(Self { manager: manager(&hasty, &lease).await?, hasty, client, lease })
    }

    /// Shows in `leads` whether the lease is held, until `stop`; gives it back at the end, so that another process need not wait.
    ///
    /// A lease that cannot be renewed counts as lost when it runs out, whether or not another process has it by then.
    pub async fn keep(mut self, leads: watch::Sender<bool>, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut given_back = self.given_back().boxed();
        let mut failing_since: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                // A manager waits for the end of the lease as it last saw it; a new one looks.
                Some(()) = given_back.next(), if !*leads.borrow() => match manager(&self.hasty, &self.lease).await {
                    Ok(manager) => self.manager = manager,
                    Err(error) => tracing::warn!(%error, "the lease was given back, but cannot be read; it is taken when it would have run out"),
                },
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
        drop(given_back);
        if let Err(error) = self.manager.release().await {
            tracing::warn!(%error, "the lease could not be given back; it runs out by itself");
        }
    }

    /// An item each time that nobody holds the lease any more.
    fn given_back(&self) -> impl Stream<Item = ()> + use<> {
        let free = |lease: Option<LeaseObject>| lease.and_then(|lease| lease.spec?.holder_identity).is_none_or(|holder| holder.is_empty());
        watcher::watch_object(Api::namespaced(self.client.clone(), &self.lease.namespace), &self.lease.name)
            .default_backoff()
            .filter_map(move |seen| future::ready(seen.is_ok_and(free).then_some(())))
    }
}

async fn manager(hasty: &Client, lease: &Lease) -> Result<LeaseManager, LeaseManagerError> {
    LeaseManagerBuilder::new(hasty.clone(), &lease.name)
        .with_namespace(&lease.namespace)
        .with_identity(&lease.identity)
        .with_duration(DURATION)
        .with_grace(GRACE)
        .build()
        .await
}
