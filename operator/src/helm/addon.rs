//! What the operator installs as Helm releases.

use user_info_api::crd::{AddonMode, Release, StoreMode, UserInfoDeploymentSpec};

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

    /// Its name in releases, labels, charts and the status.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MySql => "mysql",
            Self::Redis => "redis",
            Self::Consul => "consul",
            Self::Prometheus => "prometheus",
            Self::Grafana => "grafana",
        }
    }

    /// The field of the resource that it is described in.
    pub const fn field(self) -> &'static str {
        match self {
            Self::MySql => "spec.data.mysql",
            Self::Redis => "spec.data.redis",
            Self::Consul => "spec.addons.consul",
            Self::Prometheus => "spec.addons.prometheus",
            Self::Grafana => "spec.addons.grafana",
        }
    }

    /// Port that it listens on unless its values name another.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::MySql => 3306,
            Self::Redis => 6379,
            Self::Consul => 8500,
            Self::Prometheus => 9090,
            Self::Grafana => 3000,
        }
    }

    /// Whether the services cannot be configured without it, unlike what only looks at them.
    pub const fn serves_calls(self) -> bool {
        matches!(self, Self::MySql | Self::Redis | Self::Consul)
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
        let store = |mode: StoreMode| match mode {
            StoreMode::Managed => AddonMode::Managed,
            StoreMode::External => AddonMode::External,
            StoreMode::Embedded => AddonMode::Disabled,
        };
        match self {
            Self::MySql => store(spec.data.mysql.mode),
            Self::Redis => store(spec.data.redis.mode),
            Self::Consul => spec.addons.consul.mode,
            Self::Prometheus => spec.addons.prometheus.mode,
            Self::Grafana => spec.addons.grafana.mode,
        }
    }

    /// Whether the operator installs it.
    pub fn managed(self, spec: &UserInfoDeploymentSpec) -> bool {
        self.mode(spec) == AddonMode::Managed
    }

    /// How it is installed.
    pub const fn settings(self, spec: &UserInfoDeploymentSpec) -> &Release {
        match self {
            Self::MySql => &spec.data.mysql.release,
            Self::Redis => &spec.data.redis.release,
            Self::Consul => &spec.addons.consul.release,
            Self::Prometheus => &spec.addons.prometheus.release,
            Self::Grafana => &spec.addons.grafana.release,
        }
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
