//! Reads config files and checks them before anything is started.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use user_info_api::Exit;
use user_info_api::config::{Check, Violation};

/// Exit code of a program whose configuration cannot be used.
pub const EXIT_CONFIG: u8 = Exit::Usage.code();

/// Exit code of a program that lacks something it needs, such as a port.
pub const EXIT_UNAVAILABLE: u8 = Exit::Unavailable.code();

/// A config file that cannot be used: the file, the place in it, and what is allowed there.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not YAML of the right shape.
    #[error("{}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What the parser says, with line and column.
        message: String,
    },
    /// Values are out of range or contradict each other.
    #[error("{}", lines(path, violations))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Each value that cannot be used.
        violations: Vec<Violation>,
    },
}

fn lines(path: &Path, violations: &[Violation]) -> String {
    violations.iter().map(|v| format!("{}: {v}", path.display())).collect::<Vec<_>>().join("\n")
}

/// Reads and checks the config file at `path`.
///
/// # Errors
/// If it cannot be read, is not YAML of the shape of `T`, or holds values that [`Check`] refuses.
pub fn load<T: DeserializeOwned + Check>(path: &Path) -> Result<T, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    parse(path, &text)
}

/// Checks `text`, which stands in the file at `path`.
///
/// # Errors
/// If it is not YAML of the shape of `T`, or holds values that [`Check`] refuses.
///
/// ```
/// use std::path::Path;
/// use user_info_api::config::UserInfoConfig;
/// use user_info_services::config::parse;
///
/// let text = "users: {memory: true}\nviews: {memory: true}\nserver: {workers: 1000}";
/// let error = parse::<UserInfoConfig>(Path::new("user_info.yaml"), text).unwrap_err();
/// assert_eq!(error.to_string(), "user_info.yaml: server.workers: 1000 is out of range; allowed is 0 to 256");
/// ```
pub fn parse<T: DeserializeOwned + Check>(path: &Path, text: &str) -> Result<T, ConfigError> {
    let mut field = String::new();
    let config: T = serde_yaml::with_deserializer_from_str(text, |deserializer| {
        serde_path_to_error::deserialize(deserializer).map_err(|error| {
            field = error.path().to_string();
            error.into_inner()
        })
    })
    .map_err(|error| ConfigError::Parse { path: path.to_owned(), message: sentence(&field, &error) })?;
    let violations = config.violations();
    if violations.is_empty() { Ok(config) } else { Err(ConfigError::Invalid { path: path.to_owned(), violations }) }
}

/// What the parser says of `field`, in the words of a person where it names a type of Rust.
fn sentence(field: &str, error: &serde_yaml::Error) -> String {
    const TYPES: [(&str, &str); 7] = [
        ("invalid u8 ", "not a whole number from 0 to 255 "),
        ("invalid u16 ", "not a whole number from 0 to 65535 "),
        ("invalid u32 ", "not a whole number from 0 to 4294967295 "),
        ("invalid i64 ", "not a whole number "),
        ("invalid f64 ", "not a number "),
        ("invalid floating point number ", "not a number "),
        ("invalid floating point ", "not a number "),
    ];
    let text = error.without_snippet().to_string().replace('\n', " ");
    let text = TYPES.iter().fold(text, |text, (type_name, words)| text.replace(type_name, words));
    if field.is_empty() || field == "." { text } else { format!("{field}: {text}") }
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;
    use user_info_api::config::UserInfoConfig;

    fn error(text: &str) -> String {
        parse::<UserInfoConfig>(Path::new("a.yaml"), text).expect_err("must be refused").to_string()
    }

    #[test]
    fn the_smallest_file_has_the_defaults_of_the_seed() {
        let config: UserInfoConfig = parse(Path::new("a.yaml"), "users: {memory: true}\nviews: {memory: true}").expect("valid");
        assert_eq!(config.service.name, "bbs.user.info");
        assert_eq!(config.server.grpc.listen.port(), 9001);
        assert_eq!(config.server.http.listen.port(), 8001);
        assert_eq!(config.server.timeout.to_string(), "1s");
    }

    #[test]
    fn names_the_file_the_place_and_what_is_allowed() {
        let text = "users: {memory: true}\nviews: {memory: true}\nlive: {rateLimiter: {burst: 0}}";
        assert_eq!(error(text), "a.yaml: live.rateLimiter.burst: 0 is out of range; allowed is 1 to 10000000");
        let text = "users: {memory: true, sqlite: {path: x}}\nviews: {memory: true}";
        assert_eq!(error(text), "a.yaml: users: set exactly one of mysql, sqlite and memory");
        let text = "users: {memory: true}\nviews: {memory: true}\nserver: {http: {listen: '0.0.0.0:9001'}}";
        assert_eq!(error(text), "a.yaml: server.http.listen: port 9001 is also grpc.listen; give each listener its own");
    }

    #[test]
    fn a_value_of_the_wrong_type_is_refused_with_its_field() {
        let stores = "users: {memory: true}\nviews: {memory: true}\n";
        for (text, said) in [
            ("server: {workers: many}", "a.yaml: server.workers: not a whole number from 0 to 65535 at line 3, column 19"),
            ("server: {workers: -1}", "a.yaml: server.workers: not a whole number from 0 to 65535 at line 3, column 19"),
            (
                "live: {faultInjection: {abort: {percentage: all}}}",
                "a.yaml: live.faultInjection.abort.percentage: not a number at line 3, column 45",
            ),
        ] {
            assert_eq!(error(&format!("{stores}{text}")), said);
        }
    }

    #[test]
    fn an_unknown_field_is_refused_with_its_line() {
        let message = error("users: {memory: true}\nviews: {memory: true}\nlive:\n  rateLimitr: {}\n");
        assert!(message.contains("rateLimitr") && message.contains("line 4"), "{message}");
    }
}
