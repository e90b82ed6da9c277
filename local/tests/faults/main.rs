//! Faults, injected for real under a steady load of calls; each test prints what the fault cost and how long it lasted.
//!
//! The promises that these tests show stand in `docs/guarantees.md`.

#[cfg(test)]
mod connections;
#[cfg(test)]
mod consul;
#[cfg(test)]
mod dead;
#[cfg(test)]
mod dialing;
#[cfg(test)]
mod fuzz;
#[cfg(test)]
mod host;
#[cfg(test)]
mod instance;
#[cfg(test)]
mod instances;
#[cfg(test)]
mod mariadb;
#[cfg(test)]
mod measure;
#[cfg(test)]
mod overload;
#[cfg(test)]
mod proxy;
#[cfg(test)]
mod redis;
#[cfg(test)]
mod setting;
#[cfg(test)]
mod soak;
#[cfg(test)]
mod stores;
