//! What an addon's file says of it.

use std::collections::BTreeMap;

use serde_json::Value;
use user_info_api::crd::{AddonMode, Release, UserInfoDeployment, UserInfoDeploymentSpec};

use super::Addon;

/// What is particular to an addon.
pub(super) struct Profile {
    /// Its name in releases, labels, charts and the status.
    pub(super) name: &'static str,
    /// The field of the resource that it is described in.
    pub(super) field: &'static str,
    /// Port that it listens on unless its values name another.
    pub(super) port: u16,
    /// Whether it is reached over HTTP.
    pub(super) http: bool,
    /// Whether the services cannot be configured without it, unlike what only looks at them.
    pub(super) serves_calls: bool,
    /// Whose it is.
    pub(super) mode: fn(&UserInfoDeploymentSpec) -> AddonMode,
    /// How it is installed.
    pub(super) release: fn(&UserInfoDeploymentSpec) -> &Release,
    /// Where one of someone else is.
    pub(super) external: fn(&UserInfoDeploymentSpec) -> Option<&str>,
    /// What the resource's own fields make of the values of the chart that comes with the operator, beside what is common to all charts.
    pub(super) values: fn(&Inputs<'_>) -> Value,
}

/// What the values of an addon's chart are made from.
pub(super) struct Inputs<'a> {
    pub(super) resource: &'a UserInfoDeployment,
    /// The resource's name.
    pub(super) owner: &'a str,
    /// `host:port` of the operator's own metrics; none if it has no name there.
    pub(super) operator: Option<&'a str>,
    /// The values of the addons that come before it in their order.
    pub(super) before: &'a BTreeMap<Addon, Value>,
}

impl Inputs<'_> {
    /// `host:port` of an addon that comes before, if it is installed.
    pub(super) fn address(&self, other: Addon) -> Option<String> {
        self.before.get(&other).map(|values| other.address(self.owner, values))
    }
}
