//! Words for what went wrong with a connection.

use std::error::Error;

/// The deepest cause of `error`, which alone speaks of a refused certificate, and HTTP/2's name for it: `ENHANCE_YOUR_CALM` is easier to look
/// up than its description.
pub(in crate::client) fn words(error: &hyper::Error) -> String {
    let mut cause: &(dyn Error + 'static) = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    match cause.downcast_ref().and_then(h2::Error::reason) {
        Some(reason) => format!("{cause} ({reason:?})"),
        None => cause.to_string(),
    }
}
