//! The whole system, as a person runs it: `user-info-local` with a file, the services it starts, and what is measured from outside.
//!
//! The programs are those that `make build` builds. Ports are whatever is free; the table that the program prints says which.

#[cfg(test)]
#[expect(dead_code, reason = "the services' own tests use more of it")]
#[path = "../../../services/tests/program/tls/authority.rs"]
mod authority;
#[cfg(test)]
mod bad_input;
#[cfg(test)]
#[expect(dead_code, reason = "the starter is the conformance tests', which use more of it")]
#[path = "../conformance/consul.rs"]
mod consul;
#[cfg(test)]
mod demo;
#[cfg(test)]
mod edits;
#[cfg(test)]
mod ends;
#[cfg(test)]
mod external;
#[cfg(test)]
mod load;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod prometheus;
#[cfg(test)]
mod secured;
#[cfg(test)]
#[path = "../../../services/tests/support/mod.rs"]
mod servers;
#[cfg(test)]
mod support;
#[cfg(test)]
#[expect(dead_code, reason = "the fault tests use more of it")]
mod system;
