//! What the tests of several packages share. Only ever a dev-dependency.
//!
//! Servers are child processes on free ports with data directories of their own, which end with their handle: [`mariadb`], [`redis`],
//! [`consul`], [`prometheus`], [`nginx`]. [`system`] is the product itself, run by `user-info-local`. What cannot go on panics with what was
//! expected.

pub mod authority;
pub mod config;
pub mod consul;
pub mod endless;
pub mod http;
pub mod mariadb;
pub mod metrics;
pub mod nginx;
pub mod port;
pub mod process;
pub mod program;
pub mod prometheus;
pub mod redis;
pub mod system;
pub mod wait;
