//! What is wrong with a configuration, said so that a person can mend it.

use std::fmt;

use crate::limits::{Limit, List};

/// One field that cannot be used as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, dotted, as in `live.rateLimiter.burst`.
    pub field: String,
    /// What is wrong and what is allowed.
    pub message: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// Collects violations while a configuration is walked.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Violations {
    path: Vec<&'static str>,
    found: Vec<Violation>,
}

impl Violations {
    /// Walks into `field`, so that what `part` finds is reported below it.
    pub fn within(&mut self, field: &'static str, part: &impl Check) {
        self.path.push(field);
        part.check(self);
        self.path.pop();
    }

    /// Reports `message` at `field` unless `holds`.
    pub fn require(&mut self, holds: bool, field: &str, message: impl fmt::Display) {
        if !holds {
            let mut path = self.path.join(".");
            if !path.is_empty() && !field.is_empty() {
                path.push('.');
            }
            path.push_str(field);
            self.found.push(Violation { field: path, message: message.to_string() });
        }
    }

    /// Reports `field` if its value is beyond `limit`.
    pub fn limit<T>(&mut self, field: &str, value: &T, limit: &impl Limit<T>) {
        self.refuse(field, limit.refusal(value));
    }

    /// Reports `field` if it has too few or too many elements, and for each element that is beyond its limit.
    pub fn list<T, L: Limit<T>>(&mut self, field: &str, elements: &[T], limit: &List<L>) {
        self.refuse(field, limit.size.refusal_of(elements.len(), "elements"));
        elements.iter().for_each(|element| self.limit(field, element, &limit.each));
    }

    fn refuse(&mut self, field: &str, refusal: Option<String>) {
        self.require(refusal.is_none(), field, refusal.unwrap_or_default());
    }

    /// Everything found, in the order of the walk.
    pub fn into_vec(self) -> Vec<Violation> {
        self.found
    }
}

/// A part of a configuration that can tell whether its values make sense.
pub trait Check {
    /// Reports every field of `self` that cannot be used.
    fn check(&self, violations: &mut Violations);

    /// All violations of `self`; empty if it can be used.
    fn violations(&self) -> Vec<Violation> {
        let mut violations = Violations::default();
        self.check(&mut violations);
        violations.into_vec()
    }
}

impl<T: Check> Check for Option<T> {
    fn check(&self, violations: &mut Violations) {
        if let Some(part) = self {
            part.check(violations);
        }
    }
}
