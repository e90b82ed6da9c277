//! Follows the instances behind a DNS name, such as that of a headless Kubernetes Service.

use std::io;
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::time::{sleep, timeout};
use user_info_api::config::Dns;

use super::discovered::{DiscoveredInstance, Publisher};

/// Longest time a look-up may take.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Looks the name up for ever. Between two look-ups pass 90 to 110 % of the interval, so that many clients do not ask together.
pub(super) async fn run(dns: &Dns, publisher: &Publisher) {
    loop {
        match look_up(dns).await {
            Ok(instances) => publisher.found(instances, 0),
            Err(error) => publisher.failed(&format_args!("dns: {}: {error}: check discovery.dns.host", dns.host)),
        }
        sleep(dns.interval.get().mul_f64(0.9 + 0.2 * fastrand::f64())).await;
    }
}

async fn look_up(dns: &Dns) -> io::Result<Vec<DiscoveredInstance>> {
    let found = timeout(TIMEOUT, lookup_host((dns.host.as_str(), dns.port))).await??;
    Ok(found.map(|address| DiscoveredInstance::at(address.to_string())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_address_is_an_instance() {
        let dns = Dns { host: "127.0.0.1".to_owned(), port: 9001, interval: user_info_api::Duration::from_secs(1) };
        assert_eq!(look_up(&dns).await.expect("an address needs no server"), [DiscoveredInstance::at("127.0.0.1:9001".to_owned())]);
    }
}
