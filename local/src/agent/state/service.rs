//! One registered service with its checks.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::DATACENTER;
use super::check::{Check, RegisteredCheck};
use crate::agent::wire::{CheckStatus, Registration, TaggedAddress, Weights};

/// A service as a person sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredService {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Host.
    pub address: String,
    /// Port.
    pub port: u16,
    /// Tags.
    pub tags: Vec<String>,
    /// Metadata.
    pub meta: BTreeMap<String, String>,
    /// The worst state of its checks.
    pub status: CheckStatus,
    /// Its checks.
    pub checks: Vec<RegisteredCheck>,
}

#[derive(Debug)]
pub(super) struct Service {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) tags: Vec<String>,
    address: String,
    port: u16,
    tagged_addresses: BTreeMap<String, TaggedAddress>,
    meta: BTreeMap<String, String>,
    weights: Weights,
    enable_tag_override: bool,
    pub(super) checks: Vec<Check>,
    created: u64,
    modified: u64,
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

    pub(super) fn view(&self) -> RegisteredService {
        RegisteredService {
            id: self.id.clone(),
            name: self.name.clone(),
            address: self.address.clone(),
            port: self.port,
            tags: self.tags.clone(),
            meta: self.meta.clone(),
            status: self.checks.iter().map(|c| c.status).max().unwrap_or(CheckStatus::Passing),
            checks: self.checks.iter().map(Check::view).collect(),
        }
    }

    /// As `GET /v1/agent/services` tells it.
    pub(super) fn agent_json(&self) -> Value {
        json!({
            "ID": self.id, "Service": self.name, "Tags": self.tags, "Meta": self.meta, "Port": self.port, "Address": self.address,
            "TaggedAddresses": self.tagged_addresses, "Weights": self.weights, "EnableTagOverride": self.enable_tag_override,
            "Datacenter": DATACENTER,
        })
    }

    /// As `GET /v1/health/service/<name>` tells it.
    pub(super) fn health_json(&self) -> Value {
        json!({
            "ID": self.id, "Service": self.name, "Tags": self.tags, "Meta": self.meta, "Port": self.port, "Address": self.address,
            "TaggedAddresses": self.tagged_addresses, "Weights": self.weights, "EnableTagOverride": self.enable_tag_override,
            "CreateIndex": self.created, "ModifyIndex": self.modified,
        })
    }

    pub(super) fn checks_json(&self) -> Value {
        self.checks.iter().map(|c| c.json(self)).collect()
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
