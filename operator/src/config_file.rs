//! A component's config file.

use serde::Serialize;
use serde_json::Value;
use user_info_api::config::split;
use user_info_api::render::{config_hash, restart_hash};

/// A config file, and what tells it from others.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfigFile {
    /// The file.
    pub text: String,
    /// Which one it is.
    pub version: ConfigVersion,
    /// Hash of what pods cannot change live.
    pub restart_hash: String,
    /// What pods change live, as they report it.
    pub live: Value,
}

/// Tells a config file from others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigVersion {
    /// Hash of all but the generation.
    pub hash: String,
    /// Generation of the spec at which the file last changed.
    pub generation: i64,
}

impl ConfigFile {
    /// The file that `render` makes of a generation. The generation of the spec also rises when only the number of instances changes, so the
    /// file keeps the generation it had `before` until something else in it changes: scaling then touches no pod.
    ///
    /// # Errors
    /// Those of `render`.
    pub fn new<C: Serialize, E>(render: impl Fn(i64) -> Result<C, E>, generation: i64, before: Option<&ConfigVersion>) -> Result<Self, E> {
        let hash = config_hash(&render(0)?);
        let generation = before.filter(|before| before.hash == hash).map_or(generation, |before| before.generation);
        let config = render(generation)?;
        let text = serde_yaml::to_string(&config).expect("config types are plain data, which always has a YAML form");
        let (live, _) = split(&config);
        Ok(Self { text, version: ConfigVersion { hash, generation }, restart_hash: restart_hash(&config), live })
    }
}
