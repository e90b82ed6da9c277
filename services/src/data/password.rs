//! Passwords in files.

use std::path::Path;

use super::loader::ConnectError;

/// The password in `file`, without a newline at its end; `None` without a file. `field` names the setting in the error.
///
/// Read at each connection, so that a password can be rotated; the file is small and local, hence read at once.
pub(super) fn read(file: Option<&Path>, field: &str) -> Result<Option<String>, ConnectError> {
    let Some(path) = file else { return Ok(None) };
    let text = std::fs::read_to_string(path)
        .map_err(|error| ConnectError::Configuration(format!("{field}: cannot read {}: {error}", path.display())))?;
    Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
}
