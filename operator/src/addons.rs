//! What the operator installs as Helm releases. What is particular to one of them stands in its file alone: the values of its chart, how it is
//! reached, and its Secret, if it has one.

mod consul;
mod grafana;
mod managed;
mod mysql;
mod profile;
mod prometheus;
mod redis;
mod store;
pub mod values;

use serde_json::Value;
use user_info_api::crd::{AddonMode, Release, UserInfoDeploymentSpec};

pub use self::managed::Managed;
use self::profile::Profile;

/// What the operator installs as a Helm release, in the order in which it is installed; it is removed in the opposite one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Addon {
    /// Store of the users.
    MySql,
    /// Store of the page views.
    Redis,
    /// Registry.
    Consul,
    /// What collects metrics.
    Prometheus,
    /// What shows metrics.
    Grafana,
}

impl Addon {
    /// All of them, in their order.
    pub const ALL: [Self; 5] = [Self::MySql, Self::Redis, Self::Consul, Self::Prometheus, Self::Grafana];

    /// What is particular to it.
    const fn profile(self) -> &'static Profile {
        match self {
            Self::MySql => &mysql::PROFILE,
            Self::Redis => &redis::PROFILE,
            Self::Consul => &consul::PROFILE,
            Self::Prometheus => &prometheus::PROFILE,
            Self::Grafana => &grafana::PROFILE,
        }
    }

    /// Its name in releases, labels, charts and the status.
    pub const fn name(self) -> &'static str {
        self.profile().name
    }

    /// The field of the resource that it is described in.
    pub const fn field(self) -> &'static str {
        self.profile().field
    }

    /// Whether the services cannot be configured without it, unlike what only looks at them.
    pub const fn serves_calls(self) -> bool {
        self.profile().serves_calls
    }

    /// Name of its release for the resource `owner`; also of the objects that the release makes.
    pub fn release(self, owner: &str) -> String {
        format!("{owner}-{}", self.name())
    }

    /// The resource's name and the addon that a release's name is made of, if it is one.
    pub fn of_release(release: &str) -> Option<(&str, Self)> {
        let (owner, name) = release.rsplit_once('-')?;
        Self::ALL.into_iter().find(|addon| addon.name() == name).map(|addon| (owner, addon))
    }

    /// Whose it is; an embedded store counts as disabled.
    pub fn mode(self, spec: &UserInfoDeploymentSpec) -> AddonMode {
        (self.profile().mode)(spec)
    }

    /// Whether the operator installs it.
    pub fn managed(self, spec: &UserInfoDeploymentSpec) -> bool {
        self.mode(spec) == AddonMode::Managed
    }

    /// How it is installed.
    pub fn settings(self, spec: &UserInfoDeploymentSpec) -> &Release {
        (self.profile().release)(spec)
    }

    /// The port that its values name, else the usual one.
    pub fn port(self, values: &Value) -> u16 {
        values["port"].as_u64().and_then(|port| u16::try_from(port).ok()).unwrap_or(self.profile().port)
    }

    /// `host:port` of its release within the namespace of the resource `owner`.
    fn address(self, owner: &str, values: &Value) -> String {
        format!("{}:{}", self.release(owner), self.port(values))
    }

    /// Where its release is reached within the namespace, as the status says it.
    pub fn endpoint(self, owner: &str, values: &Value) -> String {
        let address = self.address(owner, values);
        if self.profile().http { format!("http://{address}") } else { address }
    }

    /// Where it is, if it is someone else's.
    pub fn external(self, spec: &UserInfoDeploymentSpec) -> Option<String> {
        (self.profile().external)(spec).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_is_told_by_its_name() {
        for addon in Addon::ALL {
            assert_eq!(Addon::of_release(&addon.release("my-demo")), Some(("my-demo", addon)));
        }
        assert_eq!(Addon::of_release("user-info-operator"), None);
        assert_eq!(Addon::of_release("consul"), None);
        assert!(Addon::ALL.is_sorted());
    }
}
