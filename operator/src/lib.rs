//! Runs the user-info system in Kubernetes from one `UserInfoDeployment`.

pub mod args;
pub mod check;
pub mod children;
pub mod cluster;
pub mod context;
pub mod controller;
pub mod crd;
pub mod discovery;
pub mod error;
pub mod health;
pub mod helm;
pub mod kind;
pub mod leader;
pub mod memory;
pub mod metrics;
pub mod names;
pub mod namespace;
pub mod ownership;
pub mod reconcile;
pub mod resource;
pub mod roles;
pub mod run;
pub mod telemetry;
