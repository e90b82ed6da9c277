//! One registered service with its checks.

use std::collections::BTreeMap;
use std::net::IpAddr;

use tokio::time::Instant;
use user_info_consul::{CheckStatus, Registration, TaggedAddress, Weights};

use super::check::Check;

/// A service that is registered.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) tags: Vec<String>,
    pub(super) address: String,
    pub(super) port: u16,
    pub(super) tagged_addresses: BTreeMap<String, TaggedAddress>,
    pub(super) meta: BTreeMap<String, String>,
    pub(super) weights: Weights,
    pub(super) enable_tag_override: bool,
    pub(super) checks: Vec<Check>,
    pub(super) created: u64,
    pub(super) modified: u64,
}

impl Service {
    /// A service by a registration that has been validated. `before` is the one it replaces.
    pub(super) fn new(
        registration: Registration,
        before: Option<&Self>,
        replace_checks: bool,
        index: u64,
        checks_made: &mut u64,
        now: Instant,
    ) -> Self {
        let mut service = Self {
            tagged_addresses: with_ip(registration.tagged_addresses, &registration.address, registration.port),
            id: registration.id,
            name: registration.name,
            tags: registration.tags,
            address: registration.address,
            port: registration.port,
            meta: registration.meta,
            weights: registration.weights.unwrap_or_default(),
            enable_tag_override: registration.enable_tag_override,
            checks: Vec::new(),
            created: before.map_or(index, |b| b.created),
            modified: index,
        };
        for definition in registration.checks {
            *checks_made += 1;
            let old = before.and_then(|b| b.checks.iter().find(|c| c.id == definition.check_id));
            service.checks.push(Check::new(definition, old, index, *checks_made, now));
        }
        if let Some(before) = before {
            if !replace_checks {
                let kept = before.checks.iter().filter(|old| service.checks.iter().all(|c| c.id != old.id));
                let kept: Vec<Check> = kept.cloned().collect();
                service.checks.extend(kept);
            }
            if before.describes_the_same(&service) {
                service.modified = before.modified;
            }
        }
        service.checks.sort_by(|a, b| a.id.cmp(&b.id));
        service
    }

    /// The check with this id, and the name of its service.
    pub(super) fn check(&mut self, id: &str) -> Option<(&str, &mut Check)> {
        Some((&self.name, self.checks.iter_mut().find(|c| c.id == id)?))
    }

    pub(super) fn is_passing(&self) -> bool {
        self.checks.iter().all(|c| c.status == CheckStatus::Passing)
    }

    /// Bytes of what was registered.
    pub(super) fn size(&self) -> usize {
        let tagged = self.tagged_addresses.iter().map(|(name, tagged)| name.len() + tagged.address.len());
        let meta = self.meta.iter().map(|(key, value)| key.len() + value.len());
        let texts = [&self.id, &self.name, &self.address].into_iter().chain(&self.tags).map(String::len);
        texts.chain(tagged).chain(meta).chain(self.checks.iter().map(Check::size)).sum()
    }

    /// Lets TTLs run out; returns whether one did.
    pub(super) fn expire(&mut self, index: u64, now: Instant) -> bool {
        self.checks.iter_mut().filter_map(|check| check.expire(index, now).then_some(())).count() > 0
    }

    /// Whether a check has been critical for longer than it may.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.checks.iter().filter_map(Check::overdue_at).any(|at| at <= now)
    }

    /// Whether a client cannot tell the two apart.
    pub(super) fn looks_like(&self, other: &Self) -> bool {
        self.describes_the_same(other)
            && self.checks.len() == other.checks.len()
            && self.checks.iter().zip(&other.checks).all(|(a, b)| a.looks_like(b))
    }

    fn describes_the_same(&self, other: &Self) -> bool {
        (&self.name, &self.tags, &self.address, self.port) == (&other.name, &other.tags, &other.address, other.port)
            && (&self.tagged_addresses, &self.meta) == (&other.tagged_addresses, &other.meta)
            && (self.weights, self.enable_tag_override) == (other.weights, other.enable_tag_override)
    }
}

/// Consul adds the address under `lan_` and `wan_` names if it is an IP.
fn with_ip(mut tagged: BTreeMap<String, TaggedAddress>, address: &str, port: u16) -> BTreeMap<String, TaggedAddress> {
    let keys = match address.parse() {
        Ok(IpAddr::V4(_)) => ["lan_ipv4", "wan_ipv4"],
        Ok(IpAddr::V6(_)) => ["lan_ipv6", "wan_ipv6"],
        Err(_) => return tagged,
    };
    for key in keys {
        tagged.entry(key.to_owned()).or_insert_with(|| TaggedAddress { address: address.to_owned(), port });
    }
    tagged
}
