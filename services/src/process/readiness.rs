//! Whether this instance wants calls, and what state its parts are in.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

/// What one part of the service says about itself.
#[derive(Debug, Clone, Serialize)]
pub struct Part {
    /// The part: `registry`, `users`, `views`, `discovery`.
    pub name: &'static str,
    /// Whether it works.
    pub ok: bool,
    /// Whether the instance is not ready as long as it does not. Stores and a registry that failed later are not required: all
    /// instances share them, so taking one instance out would help nobody.
    pub required: bool,
    /// What is the matter.
    pub message: String,
}

/// All of it, as `/readyz` answers.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Whether calls are wanted.
    pub ready: bool,
    /// Whether the instance is about to stop.
    pub draining: bool,
    /// Its parts.
    pub parts: Vec<Part>,
}

type Probe = Box<dyn Fn() -> Part + Send + Sync>;

/// Collects what the parts say.
#[derive(Clone, Default)]
pub struct Readiness(Arc<Inner>);

#[derive(Default)]
struct Inner {
    probes: Mutex<Vec<Probe>>,
    draining: AtomicBool,
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.report().fmt(f)
    }
}

impl Readiness {
    /// Adds a part. `probe` must be quick: it is asked at every look.
    pub fn add(&self, probe: impl Fn() -> Part + Send + Sync + 'static) {
        self.0.probes.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(probe));
    }

    /// The instance is about to stop: not ready from now on.
    pub fn drain(&self) {
        self.0.draining.store(true, Ordering::Relaxed);
    }

    /// Asks all parts.
    pub fn report(&self) -> Report {
        let draining = self.0.draining.load(Ordering::Relaxed);
        let parts: Vec<Part> = self.0.probes.lock().unwrap_or_else(PoisonError::into_inner).iter().map(|probe| probe()).collect();
        Report { ready: !draining && parts.iter().all(|p| p.ok || !p.required), draining, parts }
    }
}
