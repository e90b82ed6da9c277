//! Where instances are registered and found.
//!
//! A [`Registrar`] keeps this process registered in Consul as Kratos would; [`discover`] follows the instances of a service in Consul, in
//! the DNS or in a fixed list, with the same output for all three.

mod client;
mod decode;
mod discovered;
mod dns;
mod entry;
pub mod host;
mod instance;
mod metrics;
mod registrar;
mod watcher;

pub(crate) use client::read_token;
pub use client::{AgentClient, CallError, SetupError};
pub use discovered::{Discovered, DiscoveredInstance, Problem};
pub use entry::{Entry, InvalidEntry};
pub use instance::{HTTP_PORT, Instance, InvalidEndpoint, WEIGHT};
pub use metrics::{DiscoveryMetrics, RegistrarMetrics};
pub use registrar::{Registrar, RegistrarState};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use user_info_api::config::Discovery;

use discovered::Publisher;
use watcher::Watcher;

/// Starts to follow the instances that `discovery` describes; the first of `consul`, `dns` and `addresses` that is set is asked.
///
/// Of the instances that Consul knows, those that offer gRPC over TLS are meant if `secure`, and those that offer it plain if not.
/// The task ends once all receivers are dropped. The list is empty until the first answer; a fixed list is there at once.
///
/// # Errors
/// If Consul's TLS settings cannot be used.
///
/// # Panics
/// Outside a tokio runtime.
pub fn discover(
    discovery: &Discovery,
    secure: bool,
    metrics: DiscoveryMetrics,
) -> Result<(watch::Receiver<Discovered>, JoinHandle<()>), SetupError> {
    let (publisher, receiver) = Publisher::new(&discovery.service, metrics);
    let task = if let Some(consul) = &discovery.consul {
        let watcher = Watcher::new(consul, discovery, secure)?;
        tokio::spawn(async move {
            tokio::select! {
                () = watcher.run(&publisher) => {}
                () = publisher.closed() => {}
            }
        })
    } else if let Some(dns) = discovery.dns.clone() {
        tokio::spawn(async move {
            tokio::select! {
                () = dns::run(&dns, &publisher) => {}
                () = publisher.closed() => {}
            }
        })
    } else {
        publisher.found(discovery.addresses.iter().cloned().map(DiscoveredInstance::at).collect(), 0);
        tokio::spawn(async move { publisher.closed().await })
    };
    Ok((receiver, task))
}

#[cfg(test)]
mod tests;
