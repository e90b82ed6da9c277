//! What the operator remembers of resources between reconciles. All of it can be lost: what is missing is found out again.

mod addon;
mod rollout;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Mutex as AsyncMutex;
use user_info_api::crd::Faults;

pub use self::addon::AddonRecord;
pub use self::rollout::{ConfigRollout, Confirmation};
use crate::addons::Addon;
use crate::kind::Kind;
use crate::names::Component;
use crate::reason::Reason;

/// What is remembered of one resource.
#[derive(Debug, Default)]
pub struct Record {
    /// Fingerprints that children had after they were applied.
    pub fingerprints: HashMap<(Kind, String), u64>,
    /// The clock of its faults, which the watched status may not show yet.
    pub faults: Option<Faults>,
    /// How far its pods are in putting their config files in force.
    pub rollouts: HashMap<Component, ConfigRollout>,
    /// What became of its releases.
    pub addons: BTreeMap<Addon, AddonRecord>,
    /// Failures in a row.
    pub failures: u32,
    /// Looks in a row at which it was not ready.
    pub looks: u32,
    /// What its end waits for, as it was last told of in an Event.
    pub waits: Option<String>,
    /// The reason that was last told of, in an Event and in metrics.
    pub told: Option<Reason>,
}

/// Records by uid.
#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<String, Arc<AsyncMutex<Record>>>>);

impl Memory {
    /// The record of a resource. One reconcile at a time holds it.
    pub fn of(&self, uid: &str) -> Arc<AsyncMutex<Record>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(all.entry(uid.to_owned()).or_default())
    }

    /// Forgets a resource that is gone.
    pub fn forget(&self, uid: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }
}
