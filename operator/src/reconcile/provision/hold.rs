//! Whether the services have to wait for releases.

use user_info_api::crd::{AddonMode, AddonPhase, UserInfoDeployment};

use super::Provision;
use crate::context::Context;
use crate::kind::Kind;
use crate::names::{Component, Owner};

/// Why the services cannot be configured as they are wanted yet: a release that they are to use, and do not use already, is not up. Those that
/// they use may fail: they go on with what they have.
pub fn hold(provision: &Provision, used: &[String]) -> Option<String> {
    let missing: Vec<_> = provision
        .addons
        .iter()
        .filter(|one| one.addon.serves_calls() && one.status.mode == AddonMode::Managed && one.status.phase != AddonPhase::Ready)
        .filter(|one| !used.iter().any(|name| name == one.addon.name()))
        .map(|one| format!("{} ({})", one.addon.name(), one.status.message.as_deref().unwrap_or("not ready")))
        .collect();
    (!missing.is_empty()).then(|| format!("waits for {}", missing.join(", ")))
}

/// The addons that the services use, as their config file says that stands.
pub fn used(resource: &UserInfoDeployment, context: &Context) -> Vec<String> {
    let owner = Owner::of(&resource.metadata);
    let config = (Kind::ConfigMap, owner.object(Component::Server));
    context.children.of(&owner).remove(&config).map(|seen| seen.uses).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addons::Addon;
    use crate::reconcile::provision::tests::progressed;

    #[test]
    fn only_what_calls_need_and_is_not_in_use_is_waited_for() {
        let provision = |phase| Provision { addons: Addon::ALL.map(|addon| progressed(addon, phase, None)).into(), ..Provision::default() };
        let used = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(hold(&provision(AddonPhase::Ready), &[]), None);
        assert_eq!(
            hold(&provision(AddonPhase::Progressing), &used(&["redis"])),
            Some("waits for mysql (not ready), consul (not ready)".to_owned())
        );
        assert_eq!(hold(&provision(AddonPhase::Failed), &used(&["mysql", "redis", "consul"])), None);
    }
}
