//! The embedded store of users.

use std::time::SystemTime;

use tokio::process::Command;
use user_info_api::render;

use crate::error::RunError;
use crate::supervisor::{Environment, USER_INFO};

/// Makes the embedded store of users and puts the samples in, even if it is not used yet: an edit may ask for it later.
///
/// A database of somebody else's is never touched.
///
/// # Errors
/// If the folder cannot be written to, or `user_info` cannot make the store.
pub async fn prepare(environment: &Environment) -> Result<(), RunError> {
    let target = render::Target::local(&environment.dir, &environment.secrets, "", Vec::new(), 0, SystemTime::now());
    let config = serde_json::json!({"users": {"sqlite": {"path": target.sqlite}}, "views": {"memory": true}});
    let file = environment.dir.join("store.yaml");
    std::fs::write(&file, config.to_string()).map_err(RunError::system(file.display().to_string()))?;
    let program = environment.programs.join(USER_INFO);
    for command in ["migrate", "seed"] {
        let done = Command::new(&program).arg(command).arg("--config").arg(&file).output().await;
        let done = done.map_err(RunError::system(program.display().to_string()))?;
        if !done.status.success() {
            return Err(RunError::Store(String::from_utf8_lossy(&done.stderr).trim().to_owned()));
        }
    }
    Ok(())
}
