//! Tells whether a change of a config file needs a restart.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::config;

/// A hash of a whole config file, the same in every build: 16 hexadecimal digits.
pub fn config_hash(config: &impl Serialize) -> String {
    digest(serde_json::to_value(config).expect("config types are plain data with texts for keys, which always have a JSON form"))
}

/// A hash of what cannot change live. Where it differs, a restart is needed.
pub fn restart_hash(config: &impl Serialize) -> String {
    let (_, fixed) = config::split(config);
    digest(fixed)
}

/// Of the JSON text, in which fields stand in the order of their names.
fn digest(mut config: Value) -> String {
    // A crate elsewhere in the build may have serde_json keep the order of declaration.
    config.sort_all_objects();
    Sha256::digest(config.to_string()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}
