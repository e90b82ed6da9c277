//! Releases: what stands, what is wanted, and Helm to get from the one to the other.
//!
//! What stands is read from the Secrets in which Helm keeps its releases, so that where nothing is to be done Helm is not called.

pub mod chart;
pub mod command;
pub mod complaint;
pub mod desired;
pub mod drift;
pub mod exec;
pub mod guard;
pub mod kubeconfig;
pub mod payload;
pub mod plan;
pub mod revision;
pub mod runner;

use std::sync::Arc;
use std::time::Duration;

use self::chart::Embedded;
use self::exec::Program;

/// Helm, and the charts that come with the operator.
#[derive(Debug, Clone)]
pub struct Helm {
    /// The program.
    pub program: Program,
    /// The charts.
    pub charts: Arc<Embedded>,
    /// Whether charts from elsewhere are installed.
    pub foreign: bool,
    /// Releases that are worked on at a time.
    pub concurrency: usize,
    /// `host:port` of the operator's own metrics, for Prometheus; none if it has no name there.
    pub metrics_address: Option<String>,
}

/// Time on top of what Helm itself may take before it is ended.
pub const SLACK: Duration = Duration::from_secs(30);
