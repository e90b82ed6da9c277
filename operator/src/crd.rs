//! `user-info-operator crd`.

use std::io::Write;
use std::process::ExitCode;

use user_info_api::crd::definition;

/// The custom resource definition as `kubectl apply` takes it.
pub fn yaml() -> String {
    serde_yaml::to_string(&definition()).expect("a definition is plain data, which always has a YAML form")
}

/// Writes the custom resource definition; fails if `out` does.
pub fn print(out: &mut impl Write) -> ExitCode {
    match out.write_all(yaml().as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
