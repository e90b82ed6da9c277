//! From a field of a config file back to the field of the resource that it came from.

use crate::config::{Check, Violation};
use crate::crd::{LoadError, Problem};

/// Fields of a config file, each with the field of the resource that it is made from. What stands below a field comes from what stands below
/// its origin, unless it has one of its own.
#[derive(Debug, Default)]
pub(super) struct Origins(Vec<(&'static str, &'static str)>);

impl Origins {
    /// The origins in `table`.
    pub(super) fn new(table: &[(&'static str, &'static str)]) -> Self {
        Self(table.to_vec())
    }

    /// These and another.
    pub(super) fn and(mut self, field: &'static str, origin: &'static str) -> Self {
        self.0.push((field, origin));
        self
    }

    /// The config, if the service takes it.
    pub(super) fn judge<C: Check>(&self, config: C) -> Result<C, LoadError> {
        let problems: Vec<_> = config.violations().iter().map(|violation| self.problem(violation)).collect();
        if problems.is_empty() { Ok(config) } else { Err(problems.into()) }
    }

    /// What is wrong, said of the resource.
    fn problem(&self, violation: &Violation) -> Problem {
        match self.of(&violation.field) {
            Some(origin) => Problem::of(&origin, &violation.message),
            None => Problem::of("", format_args!("a config file made of it is refused: {violation}")),
        }
    }

    /// The field of the resource that `field` is made from; none if it is the target's own.
    pub(super) fn of(&self, field: &str) -> Option<String> {
        let below = |part: &str| field.strip_prefix(part).filter(|rest| rest.is_empty() || rest.starts_with('.'));
        let known = self.0.iter().filter_map(|(part, origin)| Some((part.len(), origin, below(part)?)));
        known.max_by_key(|(length, ..)| *length).map(|(_, origin, rest)| format!("{origin}{rest}"))
    }
}
