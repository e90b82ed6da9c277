//! Where in a resource a value stands.

use std::fmt;

/// One step down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Into a field of an object.
    Field(String),
    /// Into an element of a list, counted from 0.
    Index(usize),
}

/// The way from the root to a value, written as in `spec.server.weights[0]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Path(Vec<Step>);

impl Path {
    pub(super) fn root() -> Self {
        Self::default()
    }

    pub(super) fn of(field: &str) -> Self {
        Self::root().field(field)
    }

    /// The path of a field of the object at this path.
    pub(super) fn field(&self, name: &str) -> Self {
        self.step(Step::Field(name.to_owned()))
    }

    /// The path of an element of the list at this path.
    pub(super) fn index(&self, i: usize) -> Self {
        self.step(Step::Index(i))
    }

    fn step(&self, step: Step) -> Self {
        Self(self.0.iter().cloned().chain([step]).collect())
    }

    /// Reads what [`Path`] prints. Keys that hold dots are taken apart, which only makes the line found for them less exact.
    pub(super) fn parse(text: &str) -> Self {
        let names = text.split(['.', '[']).filter(|part| !part.is_empty());
        Self(
            names
                .map(|part| match part.strip_suffix(']').map(str::parse) {
                    Some(Ok(index)) => Step::Index(index),
                    _ => Step::Field(part.to_owned()),
                })
                .collect(),
        )
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.0
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.0.iter().enumerate() {
            match step {
                Step::Field(name) if i == 0 => f.write_str(name)?,
                Step::Field(name) => write!(f, ".{name}")?,
                Step::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}
