//! What is to be done about a release: a pure function of what stands and what is wanted.

use std::time::Duration;

use super::revision::{Revision, Status};

/// How long a revision may be pending without a change before Helm counts as gone. A Helm of this process is known; one of another ends with
/// its process, within a second.
pub const GRACE: Duration = Duration::from_secs(10);

/// What is to be done about a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing: it stands as it is wanted.
    Nothing,
    /// Looking again after this: another Helm may be at work.
    Wait(Duration),
    /// Installing it.
    Install,
    /// Upgrading it, or trying that again.
    Upgrade,
    /// Putting its objects back as this revision left them.
    Repair(u32),
    /// Removing the Secret that a Helm which was killed left pending; without it the release is as before.
    Unlock(String),
    /// Removing it.
    Uninstall,
    /// Nothing, since a release of this name belongs to someone else.
    Foreign,
}

/// What stands of a release.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Its revisions, oldest first.
    pub history: &'a [Revision],
    /// How long the newest one has been without a change, as far as that is known.
    pub unchanged: Duration,
    /// Whether someone changed its objects, and that is to be changed back.
    pub drifted: bool,
}

/// What is to be done about a release of the resource `owner` that is wanted with this digest, or not at all.
pub fn plan(owner: &str, wanted: Option<&str>, standing: Standing<'_>) -> Action {
    let Some(newest) = standing.history.last() else {
        return if wanted.is_some() { Action::Install } else { Action::Nothing };
    };
    if newest.owner.as_deref() != Some(owner) {
        return if wanted.is_some() { Action::Foreign } else { Action::Nothing };
    }
    let at_work = matches!(newest.status, Status::Pending | Status::Uninstalling);
    if let (true, Some(left)) = (at_work, GRACE.checked_sub(standing.unchanged).filter(|left| !left.is_zero())) {
        return Action::Wait(left);
    }
    match (newest.status, wanted) {
        (_, None) | (Status::Uninstalling, Some(_)) => Action::Uninstall,
        (Status::Pending, Some(_)) => Action::Unlock(newest.secret.clone()),
        (Status::Uninstalled, Some(_)) => Action::Install,
        (Status::Deployed, Some(digest)) if newest.digest.as_deref() == Some(digest) => {
            if standing.drifted {
                Action::Repair(newest.number)
            } else {
                Action::Nothing
            }
        }
        (Status::Deployed | Status::Superseded | Status::Failed | Status::Unknown, Some(_)) => Action::Upgrade,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(number: u32, status: Status, digest: &str) -> Revision {
        Revision {
            number,
            status,
            digest: Some(digest.to_owned()),
            owner: Some("demo".to_owned()),
            baseline: None,
            secret: format!("v{number}"),
            version: String::new(),
        }
    }

    fn planned(history: &[Revision], wanted: Option<&str>) -> Action {
        plan("demo", wanted, Standing { history, unchanged: GRACE, drifted: false })
    }

    #[test]
    fn what_stands_as_wanted_costs_nothing() {
        assert_eq!(planned(&[revision(3, Status::Deployed, "a")], Some("a")), Action::Nothing);
        assert_eq!(planned(&[], None), Action::Nothing);
    }

    #[test]
    fn a_change_is_one_upgrade_and_back_again_another() {
        let before = [revision(1, Status::Deployed, "a")];
        assert_eq!(planned(&before, Some("b")), Action::Upgrade);
        let after = [revision(1, Status::Superseded, "a"), revision(2, Status::Deployed, "b")];
        assert_eq!(planned(&after, Some("b")), Action::Nothing);
        assert_eq!(planned(&after, Some("a")), Action::Upgrade);
    }

    #[test]
    fn failures_are_tried_again_and_never_removed() {
        assert_eq!(planned(&[revision(1, Status::Failed, "a")], Some("a")), Action::Upgrade);
        let history = [revision(1, Status::Deployed, "a"), revision(2, Status::Failed, "b")];
        assert_eq!(planned(&history, Some("b")), Action::Upgrade);
        assert_eq!(planned(&history, Some("a")), Action::Upgrade, "the failed one may have changed something");
    }

    #[test]
    fn what_a_killed_helm_left_is_unlocked_after_a_while() {
        for history in
            [vec![revision(1, Status::Pending, "a")], vec![revision(1, Status::Deployed, "a"), revision(2, Status::Pending, "b")]]
        {
            let secret = history.last().expect("one").secret.clone();
            assert_eq!(planned(&history, Some("a")), Action::Unlock(secret));
            let fresh = Standing { history: &history, unchanged: GRACE / 4, drifted: true };
            assert_eq!(plan("demo", Some("a"), fresh), Action::Wait(GRACE * 3 / 4));
        }
    }

    #[test]
    fn an_uninstall_is_finished_whether_or_not_it_is_wanted_again() {
        let history = [revision(1, Status::Uninstalling, "a")];
        assert_eq!(planned(&history, None), Action::Uninstall);
        assert_eq!(planned(&history, Some("a")), Action::Uninstall);
        assert_eq!(planned(&[revision(1, Status::Uninstalled, "a")], Some("a")), Action::Install);
        for status in [Status::Deployed, Status::Failed, Status::Pending, Status::Unknown] {
            assert_eq!(planned(&[revision(1, status, "a")], None), Action::Uninstall);
        }
    }

    #[test]
    fn releases_of_others_are_left_alone() {
        let mut other = revision(1, Status::Deployed, "a");
        other.owner = None;
        assert_eq!(planned(std::slice::from_ref(&other), Some("a")), Action::Foreign);
        assert_eq!(planned(&[other], None), Action::Nothing);
    }

    #[test]
    fn what_was_meddled_with_is_put_back() {
        let history = [revision(2, Status::Deployed, "a")];
        let drifted = Standing { history: &history, unchanged: Duration::ZERO, drifted: true };
        assert_eq!(plan("demo", Some("a"), drifted), Action::Repair(2));
        assert_eq!(plan("demo", Some("b"), drifted), Action::Upgrade, "which puts it back too");
    }
}
