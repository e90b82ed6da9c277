//! One check of a service: heard from (TTL) or looked after (TCP).

use std::time::Duration;

use tokio::time::Instant;
use user_info_consul::{CheckDefinition, CheckStatus};

use crate::agent::rejection::Rejection;

/// Bytes of output that are kept, as in Consul.
const MAX_OUTPUT: usize = 4096;
/// How long opening a connection may take if the check does not say, as in Consul.
const TCP_TIMEOUT: Duration = Duration::from_secs(10);
/// Least time a service may be critical before it is removed, as in Consul.
const MIN_DEREGISTER_AFTER: Duration = Duration::from_secs(60);

/// A connection to open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::agent) struct Probe {
    /// Id of the check.
    pub(in crate::agent) check: String,
    /// `host:port` to connect to.
    pub(in crate::agent) address: String,
    /// Longest time it may take.
    pub(in crate::agent) timeout: Duration,
    /// Number of the check, so that a late result does not hit one that replaced it.
    pub(super) number: u64,
}

/// A check that runs.
#[derive(Debug, Clone)]
pub(super) struct Check {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) notes: String,
    pub(super) status: CheckStatus,
    pub(super) output: String,
    kind: Kind,
    deregister_after: Option<Duration>,
    critical_since: Option<Instant>,
    number: u64,
    pub(super) created: u64,
    pub(super) modified: u64,
}

#[derive(Debug, Clone)]
enum Kind {
    Ttl { ttl: Duration, expires: Instant },
    Tcp { address: String, interval: Duration, timeout: Duration, due: Instant, running: bool },
}

impl Check {
    /// A check by a definition that has been validated; `before` is the one it replaces, whose state it keeps.
    pub(super) fn new(definition: CheckDefinition, before: Option<&Self>, index: u64, number: u64, now: Instant) -> Self {
        let kind = if definition.tcp.is_empty() {
            Kind::Ttl { ttl: definition.ttl.0, expires: now + definition.ttl.0 }
        } else {
            let timeout = if definition.timeout.0.is_zero() { TCP_TIMEOUT } else { definition.timeout.0 };
            Kind::Tcp { address: definition.tcp, interval: definition.interval.0, timeout, due: now, running: false }
        };
        let after = definition.deregister_critical_service_after.0;
        let status = before.map_or(CheckStatus::parse(&definition.status).unwrap_or(CheckStatus::Critical), |b| b.status);
        Self {
            id: definition.check_id,
            name: definition.name,
            notes: definition.notes,
            status,
            output: before.map_or_else(String::new, |b| b.output.clone()),
            kind,
            deregister_after: (!after.is_zero()).then(|| after.max(MIN_DEREGISTER_AFTER)),
            critical_since: before.map_or((status == CheckStatus::Critical).then_some(now), |b| b.critical_since),
            number,
            created: before.map_or(index, |b| b.created),
            modified: before.map_or(index, |b| b.modified),
        }
    }

    /// Bytes of what was registered; what came of the check is bounded by itself.
    pub(super) fn size(&self) -> usize {
        let address = if let Kind::Tcp { address, .. } = &self.kind { address.len() } else { 0 };
        self.id.len() + self.name.len() + self.notes.len() + address
    }

    /// Takes a heartbeat; returns whether the state is another one now.
    pub(super) fn heartbeat(&mut self, status: CheckStatus, output: &str, index: u64, now: Instant) -> Result<bool, Rejection> {
        let Kind::Ttl { ttl, expires } = &mut self.kind else { return Err(Rejection::NotTtl(self.id.clone())) };
        *expires = now + *ttl;
        Ok(self.set(status, output, index, now))
    }

    /// The connection to open, if it is time.
    pub(super) fn probe(&mut self, now: Instant) -> Option<Probe> {
        let Kind::Tcp { address, interval, timeout, due, running } = &mut self.kind else { return None };
        if *running || *due > now {
            return None;
        }
        *running = true;
        *due = now + *interval;
        Some(Probe { check: self.id.clone(), address: address.clone(), timeout: *timeout, number: self.number })
    }

    /// Takes in how a connection went; returns whether the state is another one now.
    pub(super) fn probed(&mut self, probe: &Probe, result: Result<(), String>, index: u64, now: Instant) -> bool {
        let Kind::Tcp { running, .. } = &mut self.kind else { return false };
        if probe.number != self.number {
            return false;
        }
        *running = false;
        match result {
            Ok(()) => self.set(CheckStatus::Passing, &format!("TCP connect {}: Success", probe.address), index, now),
            Err(error) => self.set(CheckStatus::Critical, &format!("dial tcp {}: {error}", probe.address), index, now),
        }
    }

    /// Lets the TTL run out; returns whether it did just now.
    pub(super) fn expire(&mut self, index: u64, now: Instant) -> bool {
        match self.kind {
            Kind::Ttl { expires, .. } if expires <= now && self.status != CheckStatus::Critical => {
                let output = format!("TTL expired (last output before timeout follows): {}", self.output);
                self.set(CheckStatus::Critical, &output, index, now)
            }
            _ => false,
        }
    }

    /// When the service is removed unless the check recovers.
    pub(super) fn overdue_at(&self) -> Option<Instant> {
        Some(self.critical_since? + self.deregister_after?)
    }

    /// When something is next to be done.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let own = match self.kind {
            Kind::Ttl { expires, .. } => (self.status != CheckStatus::Critical).then_some(expires),
            Kind::Tcp { due, running, .. } => (!running).then_some(due),
        };
        own.into_iter().chain(self.overdue_at()).min()
    }

    /// Whether a client cannot tell the two apart.
    pub(super) fn looks_like(&self, other: &Self) -> bool {
        (&self.id, &self.name, &self.notes, self.kind_name()) == (&other.id, &other.name, &other.notes, other.kind_name())
            && (self.status, &self.output) == (other.status, &other.output)
    }

    /// The kind as Consul calls it.
    pub(super) fn kind_name(&self) -> &'static str {
        match self.kind {
            Kind::Ttl { .. } => "ttl",
            Kind::Tcp { .. } => "tcp",
        }
    }

    fn set(&mut self, status: CheckStatus, output: &str, index: u64, now: Instant) -> bool {
        output[..output.floor_char_boundary(MAX_OUTPUT)].clone_into(&mut self.output);
        if status == self.status {
            return false;
        }
        self.status = status;
        self.modified = index;
        self.critical_since = (status == CheckStatus::Critical).then_some(now);
        true
    }
}
