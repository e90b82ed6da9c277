//! Faults, injected for real under a steady load of calls; each test prints what the fault cost and how long it lasted.
//!
//! The promises that these tests show stand in `docs/guarantees.md`.

#[cfg(test)]
mod connections;
#[cfg(test)]
mod consul;
#[cfg(test)]
#[expect(dead_code, reason = "the starter is the conformance tests', which use more of it")]
#[path = "../conformance/consul.rs"]
mod consul_server;
#[cfg(test)]
mod host;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod instance;
#[cfg(test)]
mod instances;
#[cfg(test)]
mod mariadb;
#[cfg(test)]
mod measure;
#[cfg(test)]
#[path = "../system/metrics.rs"]
mod metrics;
#[cfg(test)]
mod overload;
#[cfg(test)]
mod process;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod redis;
#[cfg(test)]
#[path = "../../../services/tests/support/mod.rs"]
mod servers;
#[cfg(test)]
mod setting;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod stores;
#[cfg(test)]
#[expect(dead_code, reason = "the system tests use more of it")]
#[path = "../system/support.rs"]
mod support;
#[cfg(test)]
#[expect(dead_code, reason = "the running system is the system tests', which use more of it")]
#[path = "../system/system.rs"]
mod system;
