//! What is remembered of an addon.

use std::time::Duration;

use tokio::time::Instant;

use crate::helm::complaint::Complaint;
use crate::helm::revision::Revision;

/// What is remembered of an addon between reconciles.
#[derive(Debug, Default)]
pub struct AddonRecord {
    /// What the failures speak of: generation of the resource, and digest.
    pub subject: (i64, String),
    /// Failures in a row.
    pub failures: u32,
    /// What was the matter the last time.
    pub complaint: Option<Complaint>,
    /// When to try again.
    pub again: Option<Instant>,
    /// Version of the newest revision's Secret, and since when it has been that.
    pub newest: Option<(String, Instant)>,
    /// When its objects were put back for the last time.
    pub repaired: Option<Instant>,
    /// Secret of a revision, with name and version of the chart that it was made from.
    pub chart: Option<(String, (String, String))>,
    /// Whether that revision made a Role or its binding.
    pub grants: bool,
    /// Whether what version 0.1.0 had the chart make was removed.
    pub cleared: bool,
    /// What that revision has outside of the namespace.
    pub outside: Vec<String>,
}

impl AddonRecord {
    /// Takes note that nothing is the matter.
    pub fn succeeded(&mut self) {
        (self.failures, self.complaint, self.again) = (0, None, None);
    }

    /// How long the newest revision has been as it is, as far as that was seen.
    pub fn unchanged(&mut self, history: &[Revision]) -> Duration {
        let Some(newest) = history.last() else { return Duration::ZERO };
        match &self.newest {
            Some((version, since)) if *version == newest.version => since.elapsed(),
            _ => {
                self.newest = Some((newest.version.clone(), Instant::now()));
                Duration::ZERO
            }
        }
    }

    /// Begins to count anew where the subject is another one.
    pub fn speak_of(&mut self, subject: (i64, String)) {
        if self.subject != subject {
            self.subject = subject;
            self.succeeded();
        }
    }
}
