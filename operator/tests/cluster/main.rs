//! The operator against a real API server with its controller manager; no pod ever runs. `make test-cluster` starts one and runs these.

mod acceptance;
mod account;
mod charts;
mod crash;
mod deletion;
mod diff;
mod failures;
mod harness;
mod intercept;
mod killed;
mod leadership;
mod legacy;
mod many;
mod migration;
mod ownership;
mod process;
mod registry;
mod releases;
mod samples;
mod scaling;
mod settling;
mod volumes;
