//! What the catalog answers, field for field as Consul does.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::check::Check;
use super::service::Service;
use super::{Catalog, DATACENTER, NODE};

impl Catalog {
    /// Answer to `GET /v1/health/service/<name>`: instances that carry all `tags`, and if `passing` only those whose checks all pass.
    pub(in crate::agent) fn health(&self, name: &str, passing: bool, tags: &[&str]) -> Value {
        let named = self.services.values().filter(|s| s.name == name);
        let wanted = named.filter(|s| (!passing || s.is_passing()) && tags.iter().all(|tag| s.tags.iter().any(|t| t == tag)));
        wanted.map(|s| json!({"Node": node(), "Service": in_health(s), "Checks": checks(s)})).collect()
    }

    /// Answer to `GET /v1/agent/services`.
    pub(in crate::agent) fn agent_services(&self) -> Value {
        self.services.iter().map(|(id, service)| (id.clone(), on_agent(service))).collect()
    }

    /// Answer to `GET /v1/agent/service/<id>`.
    pub(in crate::agent) fn agent_service(&self, id: &str) -> Option<Value> {
        self.services.get(id).map(on_agent)
    }

    /// Answer to `GET /v1/agent/checks`.
    pub(in crate::agent) fn agent_checks(&self) -> Value {
        self.services.values().flat_map(|s| s.checks.iter().map(|c| (c.id.clone(), check(c, s)))).collect()
    }

    /// Answer to `GET /v1/catalog/services`: tags by name, with Consul's own service for clients that expect it.
    pub(in crate::agent) fn names(&self) -> Value {
        let mut names: BTreeMap<&str, Vec<&str>> = [("consul", Vec::new())].into();
        for service in self.services.values() {
            let tags = names.entry(&service.name).or_default();
            tags.extend(service.tags.iter().map(String::as_str));
            tags.sort_unstable();
            tags.dedup();
        }
        json!(names)
    }
}

/// The machine, as health answers tell it.
fn node() -> Value {
    json!({"ID": "", "Node": NODE, "Address": "127.0.0.1", "Datacenter": DATACENTER,
        "TaggedAddresses": {"lan": "127.0.0.1", "wan": "127.0.0.1"}, "Meta": {}, "CreateIndex": 1, "ModifyIndex": 1})
}

/// A service as the agent tells it.
fn on_agent(service: &Service) -> Value {
    let mut told = description(service);
    told["Datacenter"] = DATACENTER.into();
    told
}

/// A service as health answers tell it.
fn in_health(service: &Service) -> Value {
    let mut told = description(service);
    told["CreateIndex"] = service.created.into();
    told["ModifyIndex"] = service.modified.into();
    told
}

fn description(service: &Service) -> Value {
    json!({
        "ID": service.id, "Service": service.name, "Tags": service.tags, "Meta": service.meta, "Port": service.port,
        "Address": service.address, "TaggedAddresses": service.tagged_addresses, "Weights": service.weights,
        "EnableTagOverride": service.enable_tag_override,
    })
}

fn checks(service: &Service) -> Value {
    service.checks.iter().map(|c| check(c, service)).collect()
}

fn check(check: &Check, service: &Service) -> Value {
    json!({
        "Node": NODE, "CheckID": check.id, "Name": check.name, "Status": check.status, "Notes": check.notes, "Output": check.output,
        "ServiceID": service.id, "ServiceName": service.name, "ServiceTags": service.tags, "Type": check.kind_name(),
        "Definition": {}, "CreateIndex": check.created, "ModifyIndex": check.modified,
    })
}
