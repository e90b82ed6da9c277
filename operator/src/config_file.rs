//! A component's config file.

use serde_json::Value;
use user_info_api::config::{Config, split};
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
    /// The file of `config`. The generation of the spec also rises when only the number of instances changes, so the file keeps the generation
    /// it had `before` until something else in it changes: scaling then touches no pod.
    pub fn new<C: Config>(config: C, before: Option<&ConfigVersion>) -> Self {
        let (generation, config) = (config.generation(), config.with_generation(0));
        let hash = config_hash(&config);
        let generation = before.filter(|before| before.hash == hash).map_or(generation, |before| before.generation);
        let config = config.with_generation(generation);
        let text = serde_yaml::to_string(&config).expect("config types are plain data, which always has a YAML form");
        let (live, _) = split(&config);
        Self { text, version: ConfigVersion { hash, generation }, restart_hash: restart_hash(&config), live }
    }
}
