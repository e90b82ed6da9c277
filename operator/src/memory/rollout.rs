//! What is remembered of config files on their way to pods.

use tokio::time::Instant;

use crate::workload::Workload;

/// How far a component's pods are in putting a config file in force.
#[derive(Debug, Clone)]
pub struct ConfigRollout {
    /// Hash of the file, and the numbers of the pods.
    pub subject: (String, Workload),
    /// Since when they are asked.
    pub since: Instant,
    /// How often they were asked.
    pub rounds: u32,
    /// Who has confirmed.
    pub state: Confirmation,
}

impl ConfigRollout {
    /// Nobody has been asked yet.
    pub fn new(subject: (String, Workload)) -> Self {
        Self { subject, since: Instant::now(), rounds: 0, state: Confirmation { pods: usize::MAX, ..Confirmation::default() } }
    }
}

/// Who has confirmed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confirmation {
    /// Pods that are ready.
    pub pods: usize,
    /// Those of them that have the file in force.
    pub confirmed: usize,
    /// What one of the others says.
    pub problem: Option<String>,
    /// Whether the others are asked no more.
    pub given_up: bool,
}

impl Confirmation {
    /// Whether all have confirmed.
    pub fn complete(&self) -> bool {
        self.confirmed == self.pods
    }

    /// Whether there are others, and they will be asked again.
    pub fn pending(&self) -> bool {
        !self.complete() && !self.given_up
    }
}
