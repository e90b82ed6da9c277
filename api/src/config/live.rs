//! What of a config file may change while the service runs: `live`, and `generation`, which only tells files apart. All else takes a restart.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Check, UserClientConfig, UserInfoConfig};

/// A config file with a part that may change live.
pub trait Config: DeserializeOwned + Serialize + Check + Clone + PartialEq + Send + Sync + 'static {
    /// Generation of the spec it was made from.
    fn generation(&self) -> i64;

    /// The same, made from another generation.
    #[must_use]
    fn with_generation(self, generation: i64) -> Self;

    /// This configuration with the live part and generation of `newer`.
    #[must_use]
    fn with_live(&self, newer: &Self) -> Self;
}

macro_rules! config {
    ($($config:ty),*) => {$(
        impl Config for $config {
            fn generation(&self) -> i64 {
                self.generation
            }

            fn with_generation(self, generation: i64) -> Self {
                Self { generation, ..self }
            }

            fn with_live(&self, newer: &Self) -> Self {
                Self { generation: newer.generation, live: newer.live.clone(), ..self.clone() }
            }
        }
    )*};
}

config!(UserInfoConfig, UserClientConfig);

/// A config file in JSON: its live part, and what takes a restart.
pub fn split(config: &impl Serialize) -> (Value, Value) {
    let mut fixed = serde_json::to_value(config).expect("config types are plain data with texts for keys, which always have a JSON form");
    let Some(fields) = fixed.as_object_mut() else { return (Value::Null, fixed) };
    fields.remove("generation");
    (fields.remove("live").unwrap_or_default(), fixed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_takes_a_restart_is_what_a_live_change_leaves() {
        let parse = |text: &str| serde_yaml::from_str::<UserInfoConfig>(text).expect("valid");
        let stores = "users: {memory: true}\nviews: {memory: true}\n";
        let old = parse(&format!("generation: 1\n{stores}"));
        let new = parse(&format!("generation: 2\nserver: {{workers: 3}}\n{stores}live: {{log: {{level: debug}}}}"));
        let between = old.with_live(&new);
        assert_eq!((between.generation(), between.server.workers), (2, old.server.workers));
        assert_eq!(split(&between), (split(&new).0, split(&old).1));
        assert_ne!(split(&new), split(&old));
    }
}
