//! What whoever runs the tests may set in the environment.

/// A number from the environment; none if it is not set, or empty.
pub(crate) fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|e| panic!("{name}: {text:?} is not a whole number: {e}")))
}
