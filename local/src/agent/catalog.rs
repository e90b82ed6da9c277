//! The registry itself: plain data, told the time.

mod answers;
mod check;
mod service;
mod validate;

use std::collections::BTreeMap;

use tokio::time::Instant;
use user_info_consul::{CheckStatus, Registration};

use self::check::Check;
pub(super) use self::check::Probe;
use self::service::Service;
use super::rejection::Rejection;

/// Services that are held at most.
const MAX_SERVICES: usize = 1024;
/// Bytes that registrations may have in all. Who asks for them all is answered as much.
const MAX_BYTES: usize = 4 << 20;
/// The one datacenter.
pub(super) const DATACENTER: &str = "dc1";
/// Name of the machine, as Consul would call its node.
pub(super) const NODE: &str = "user-info-local";

/// Services, their checks, and the index that every change raises.
#[derive(Debug)]
pub(super) struct Catalog {
    index: u64,
    /// Index of the last change of the names of services or their tags.
    names: u64,
    /// Index of the last change of the instances of each name that has any.
    instances: BTreeMap<String, u64>,
    /// By id.
    services: BTreeMap<String, Service>,
    /// Number of checks made so far; tells a check from one that replaced it.
    checks_made: u64,
}

impl Catalog {
    /// An empty registry whose index begins at `index`, at least 1.
    pub(super) fn new(index: u64) -> Self {
        let index = index.max(1);
        Self { index, names: index, instances: BTreeMap::new(), services: BTreeMap::new(), checks_made: 0 }
    }

    /// The index of the last change.
    pub(super) fn index(&self) -> u64 {
        self.index
    }

    /// The index of `GET /v1/catalog/services`.
    pub(super) fn names_index(&self) -> u64 {
        self.names
    }

    /// The index of `GET /v1/health/service/<name>`. A name without instances has that of the names: the last of them went
    /// with it.
    pub(super) fn name_index(&self, name: &str) -> u64 {
        self.instances.get(name).copied().unwrap_or(self.names)
    }

    /// Registers a service or replaces the one with its id, whose checks keep their state as in Consul. Says nothing to those who wait if
    /// nothing changes. Checks that are not named again go if `replace_checks`.
    ///
    /// # Errors
    /// If a field is not what Consul takes, or the registry is full.
    pub(super) fn register(&mut self, registration: Registration, replace_checks: bool, now: Instant) -> Result<(), Rejection> {
        let registration = validate::registration(registration)?;
        let before = self.services.get(&registration.id);
        if before.is_none() && self.services.len() >= MAX_SERVICES {
            return Err(Rejection::Full(MAX_SERVICES));
        }
        let next = self.index + 1;
        let service = Service::new(registration, before, replace_checks, next, &mut self.checks_made, now);
        // Those of before count, too, unless they were replaced.
        validate::few("checks", service.checks.len(), validate::MAX_CHECKS)?;
        let others = self.services.values().filter(|other| other.id != service.id);
        if others.map(Service::size).sum::<usize>() + service.size() > MAX_BYTES {
            return Err(Rejection::Overfull(MAX_BYTES));
        }
        let name = service.name.clone();
        let same = before.is_some_and(|before| before.looks_like(&service));
        let gone = self.services.insert(service.id.clone(), service).map(|before| before.name);
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
    pub(super) fn deregister(&mut self, id: &str) -> Result<(), Rejection> {
        let gone = self.services.remove(id).ok_or_else(|| Rejection::UnknownService(id.to_owned()))?;
        self.index += 1;
        self.names = self.index;
        self.left(&gone.name);
        Ok(())
    }

    /// Takes a heartbeat: sets a TTL check's state, and its time begins anew.
    ///
    /// # Errors
    /// If there is no such check, or it is not a TTL check.
    pub(super) fn heartbeat(&mut self, check: &str, status: CheckStatus, output: &str, now: Instant) -> Result<(), Rejection> {
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
    pub(super) fn due_probes(&mut self, now: Instant) -> Vec<Probe> {
        self.services.values_mut().flat_map(|s| &mut s.checks).filter_map(|check| check.probe(now)).collect()
    }

    /// Takes in how opening a connection went. A check that was replaced meanwhile is left alone.
    pub(super) fn probed(&mut self, probe: &Probe, result: Result<(), String>, now: Instant) {
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
    pub(super) fn tick(&mut self, now: Instant) {
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
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.services.values().flat_map(|s| &s.checks).filter_map(Check::deadline).min()
    }

    /// Notes that an instance of `name` changed; `listed`: so that the list of names shows it.
    fn changed(&mut self, name: &str, listed: bool) {
        self.index += 1;
        self.instances.insert(name.to_owned(), self.index);
        if listed {
            self.names = self.index;
        }
    }

    /// Notes that an instance of `name` went with the present index.
    fn left(&mut self, name: &str) {
        if self.services.values().any(|s| s.name == name) {
            self.instances.insert(name.to_owned(), self.index);
        } else {
            self.instances.remove(name);
        }
    }
}

#[cfg(test)]
mod tests;
