//! Whether an object has to be written.

use user_info_api::crd::DriftDetection;

use super::corrects;
use crate::children::Seen;
use crate::reconcile::build::Child;

/// What is to be done about an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing: it stands as it was applied.
    Keep,
    /// It is missing or to be changed.
    Apply,
    /// Someone else changed it: it is changed back.
    Correct,
    /// Someone else changed it: that is told.
    Tell,
    /// It is about to go; when it has gone it is made again.
    Wait,
}

/// Compares what is wanted with what was seen, and that with how it was left (`remembered`).
pub(super) fn verdict(child: &Child, seen: Option<&Seen>, remembered: Option<u64>, drift: DriftDetection) -> Verdict {
    let Some(seen) = seen else { return Verdict::Apply };
    if seen.terminating {
        return Verdict::Wait;
    }
    // It was created, and the operator was killed before it had applied it.
    if seen.applied.as_ref() != Some(&child.hash) || seen.unsettled {
        return Verdict::Apply;
    }
    match remembered {
        Some(fingerprint) if fingerprint == seen.fingerprint => Verdict::Keep,
        Some(_) => match drift {
            DriftDetection::Correct => Verdict::Correct,
            DriftDetection::Warn => Verdict::Tell,
            DriftDetection::Disabled => Verdict::Keep,
        },
        // The operator has just started: whether this is how it was left is not known. Applying what stands already writes nothing.
        None if corrects(drift) => Verdict::Apply,
        None => Verdict::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kind::Kind;
    use crate::names::OPERATOR;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
    use serde_json::{Value, json};

    fn child() -> Child {
        Child { kind: Kind::ConfigMap, name: "demo-user-info".to_owned(), hash: "h1".to_owned(), manifest: Value::Null }
    }

    fn seen(hash: &str, terminating: bool) -> Seen {
        let mut meta = json!({
            "name": "demo-user-info", "uid": "u", "labels": {"app.kubernetes.io/instance": "demo"},
            "annotations": {"userinfo.bbs.dev/applied-hash": hash},
        });
        if terminating {
            meta["deletionTimestamp"] = "2030-01-01T00:00:00Z".into();
        }
        Seen::of(&serde_json::from_value::<ObjectMeta>(meta).expect("metadata"), OPERATOR).expect("owned")
    }

    #[test]
    fn what_stands_as_it_was_applied_is_left_alone() {
        let seen = seen("h1", false);
        for drift in [DriftDetection::Correct, DriftDetection::Warn, DriftDetection::Disabled] {
            assert_eq!(verdict(&child(), Some(&seen), Some(seen.fingerprint), drift), Verdict::Keep);
        }
    }

    #[test]
    fn what_is_missing_or_other_is_applied_whatever_is_done_about_drift() {
        for drift in [DriftDetection::Correct, DriftDetection::Warn, DriftDetection::Disabled] {
            assert_eq!(verdict(&child(), None, Some(1), drift), Verdict::Apply);
            assert_eq!(verdict(&child(), Some(&seen("h0", false)), Some(1), drift), Verdict::Apply);
        }
    }

    #[test]
    fn drift_is_corrected_told_or_ignored() {
        let other = Some(seen("h1", false).fingerprint ^ 1);
        for (drift, expected) in
            [(DriftDetection::Correct, Verdict::Correct), (DriftDetection::Warn, Verdict::Tell), (DriftDetection::Disabled, Verdict::Keep)]
        {
            assert_eq!(verdict(&child(), Some(&seen("h1", false)), other, drift), expected);
        }
    }

    #[test]
    fn what_is_going_is_waited_for() {
        assert_eq!(verdict(&child(), Some(&seen("h0", true)), None, DriftDetection::Correct), Verdict::Wait);
    }
}
