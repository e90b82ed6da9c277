//! The registry itself: plain data, told the time.

mod check;
mod service;
mod validate;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::rejection::Rejection;
use super::wire::{CheckStatus, Registration};
pub use check::{Probe, RegisteredCheck};
pub use service::RegisteredService;
use service::Service;

/// Services that are held at most.
const MAX_SERVICES: usize = 1024;
/// The one datacenter.
pub(super) const DATACENTER: &str = "dc1";
/// Name of the machine, as Consul would call its node.
pub(super) const NODE: &str = "user-info-local";

/// Services, their checks, and the index that every change raises.
#[derive(Debug)]
pub struct State {
    index: u64,
    /// Index of the last change of the list of services or their tags.
    catalog: u64,
    /// Index of the last change of each name that has instances.
    names: BTreeMap<String, u64>,
    /// By id.
    services: BTreeMap<String, Service>,
    /// Number of checks made so far; tells a check from one that replaced it.
    checks_made: u64,
}

impl State {
    /// An empty registry whose index begins at `index`, at least 1.
    pub fn new(index: u64) -> Self {
        let index = index.max(1);
        Self { index, catalog: index, names: BTreeMap::new(), services: BTreeMap::new(), checks_made: 0 }
    }

    /// The index of the last change.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The index of `GET /v1/catalog/services`.
    pub fn catalog_index(&self) -> u64 {
        self.catalog
    }

    /// The index of `GET /v1/health/service/<name>`. A name without instances has the catalog's: the last of them went with that.
    pub fn name_index(&self, name: &str) -> u64 {
        self.names.get(name).copied().unwrap_or(self.catalog)
    }

    /// Registers a service or replaces the one with its id, whose checks keep their state as in Consul. Says nothing to those who wait if
    /// nothing changes. Checks that are not named again go if `replace_checks`.
    ///
    /// # Errors
    /// If a field is not what Consul takes, or the registry is full.
    pub fn register(&mut self, registration: Registration, replace_checks: bool, now: Instant) -> Result<(), Rejection> {
        let registration = validate::registration(registration)?;
        let before = self.services.remove(&registration.id);
        if before.is_none() && self.services.len() >= MAX_SERVICES {
            return Err(Rejection::Full(MAX_SERVICES));
        }
        let next = self.index + 1;
        let service = Service::new(registration, before.as_ref(), replace_checks, next, &mut self.checks_made, now);
        let name = service.name.clone();
        let same = before.as_ref().is_some_and(|before| before.looks_like(&service));
        let gone = before.map(|before| before.name);
        self.services.insert(service.id.clone(), service);
        if !same {
            self.changed(&name, true);
            if let Some(gone) = gone.filter(|gone| *gone != name) {
                self.left(&gone);
            }
        }
        Ok(())
    }

    /// Removes a service.
    ///
    /// # Errors
    /// If there is none of this id.
    pub fn deregister(&mut self, id: &str) -> Result<(), Rejection> {
        let gone = self.services.remove(id).ok_or_else(|| Rejection::UnknownService(id.to_owned()))?;
        self.index += 1;
        self.catalog = self.index;
        self.left(&gone.name);
        Ok(())
    }

    /// Takes a heartbeat: sets a TTL check's state, and its time begins anew.
    ///
    /// # Errors
    /// If there is no such check, or it is not a TTL check.
    pub fn heartbeat(&mut self, check: &str, status: CheckStatus, output: &str, now: Instant) -> Result<(), Rejection> {
        let next = self.index + 1;
        let found = self.services.values_mut().find_map(|s| s.check(check));
        let (name, check) = found.ok_or_else(|| Rejection::UnknownCheck(check.to_owned()))?;
        if check.heartbeat(status, output, next, now)? {
            let name = name.to_owned();
            self.changed(&name, false);
        }
        Ok(())
    }

    /// The connections to open now; each is asked for once an interval.
    pub fn due_probes(&mut self, now: Instant) -> Vec<Probe> {
        self.services.values_mut().flat_map(|s| &mut s.checks).filter_map(|check| check.probe(now)).collect()
    }

    /// Takes in how opening a connection went. A check that was replaced meanwhile is left alone.
    pub fn probed(&mut self, probe: &Probe, result: Result<(), String>, now: Instant) {
        let next = self.index + 1;
        let found = self.services.values_mut().find_map(|s| s.check(&probe.check));
        if let Some((name, check)) = found
            && check.probed(probe, result, next, now)
        {
            let name = name.to_owned();
            self.changed(&name, false);
        }
    }

    /// Lets TTLs run out, and removes services that have been critical for longer than they may.
    pub fn tick(&mut self, now: Instant) {
        let next = self.index + 1;
        let expired: Vec<String> = self.services.values_mut().filter_map(|s| s.expire(next, now).then(|| s.name.clone())).collect();
        for name in expired {
            self.changed(&name, false);
        }
        let overdue: Vec<String> = self.services.values().filter(|s| s.is_overdue(now)).map(|s| s.id.clone()).collect();
        for id in overdue {
            tracing::info!(id, "critical for too long, deregistered");
            // just seen
            let _ = self.deregister(&id);
        }
    }

    /// When [`Self::tick`] or [`Self::due_probes`] next has something to do.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.services.values().flat_map(|s| &s.checks).filter_map(check::Check::deadline).min()
    }

    /// The services, ordered by id.
    pub fn services(&self) -> Vec<RegisteredService> {
        self.services.values().map(Service::view).collect()
    }

    /// Answer to `GET /v1/health/service/<name>`: instances that carry all `tags`, and if `passing` only those whose checks all pass.
    pub(super) fn health(&self, name: &str, passing: bool, tags: &[&str]) -> Value {
        let named = self.services.values().filter(|s| s.name == name);
        let wanted = named.filter(|s| (!passing || s.is_passing()) && tags.iter().all(|tag| s.tags.iter().any(|t| t == tag)));
        wanted.map(|s| json!({"Node": node(), "Service": s.health_json(), "Checks": s.checks_json()})).collect()
    }

    /// Answer to `GET /v1/agent/services`.
    pub(super) fn agent_services(&self) -> Value {
        self.services.iter().map(|(id, s)| (id.clone(), s.agent_json())).collect()
    }

    /// Answer to `GET /v1/agent/service/<id>`.
    pub(super) fn agent_service(&self, id: &str) -> Option<Value> {
        self.services.get(id).map(Service::agent_json)
    }

    /// Answer to `GET /v1/agent/checks`.
    pub(super) fn agent_checks(&self) -> Value {
        self.services.values().flat_map(|s| s.checks.iter().map(|c| (c.id.clone(), c.json(s)))).collect()
    }

    /// Answer to `GET /v1/catalog/services`: tags by name, with Consul's own service for clients that expect it.
    pub(super) fn catalog(&self) -> Value {
        let mut names: BTreeMap<&str, Vec<&str>> = [("consul", Vec::new())].into();
        for service in self.services.values() {
            let tags = names.entry(&service.name).or_default();
            tags.extend(service.tags.iter().map(String::as_str));
            tags.sort_unstable();
            tags.dedup();
        }
        json!(names)
    }

    /// Notes that an instance of `name` changed; `listed`: so that the catalog shows it.
    fn changed(&mut self, name: &str, listed: bool) {
        self.index += 1;
        self.names.insert(name.to_owned(), self.index);
        if listed {
            self.catalog = self.index;
        }
    }

    /// Notes that an instance of `name` went with the present index.
    fn left(&mut self, name: &str) {
        if self.services.values().any(|s| s.name == name) {
            self.names.insert(name.to_owned(), self.index);
        } else {
            self.names.remove(name);
        }
    }
}

/// The machine, as health answers tell it.
fn node() -> Value {
    json!({"ID": "", "Node": NODE, "Address": "127.0.0.1", "Datacenter": DATACENTER,
        "TaggedAddresses": {"lan": "127.0.0.1", "wan": "127.0.0.1"}, "Meta": {}, "CreateIndex": 1, "ModifyIndex": 1})
}

/// Least time a service may be critical before it is removed, as in Consul.
const MIN_DEREGISTER_AFTER: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests;
