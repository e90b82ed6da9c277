//! Whether the objects of a release are as Helm left them.
//!
//! Each object has a fingerprint, see [`crate::children`]. Those of a whole release are written down once after each revision, in an annotation
//! of the revision's Secret, so that even an operator that has just started knows what someone else changed meanwhile.

use std::collections::BTreeMap;

use crate::addons::Addon;
use crate::children::Seen;
use crate::kind::Kind;

/// Fingerprints of objects, by `Kind name`.
pub type Marks = BTreeMap<String, String>;

/// The fingerprints of the objects of a release. One that is about to go still counts: when it has gone, that is seen.
pub fn marks(objects: &BTreeMap<(Kind, String), Seen>, addon: Addon) -> Marks {
    let own = objects.iter().filter(|(_, seen)| seen.addon == Some(addon));
    own.map(|((kind, name), seen)| (format!("{} {name}", kind.name()), format!("{:016x}", seen.fingerprint))).collect()
}

/// Fingerprints as a text.
pub fn write(marks: &Marks) -> String {
    marks.iter().map(|(title, mark)| format!("{title}={mark}")).collect::<Vec<_>>().join(";")
}

/// The objects that are not as the text says any more, or not there.
///
/// What is there besides is not the release's business, and what is of a kind that charts made once and make no longer is not looked at.
pub fn changed(baseline: &str, now: &Marks) -> Vec<String> {
    let known = |title: &str| Kind::RELEASED.iter().any(|kind| title.split(' ').next() == Some(kind.name()));
    let parts = baseline.split(';').filter_map(|part| part.split_once('=')).filter(|(title, _)| known(title));
    parts.filter(|(title, mark)| now.get(*title).map(String::as_str) != Some(*mark)).map(|(title, _)| title.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks_of(all: &[(&str, &str)]) -> Marks {
        all.iter().map(|(title, mark)| ((*title).to_owned(), (*mark).to_owned())).collect()
    }

    #[test]
    fn what_is_gone_or_other_has_drifted() {
        let baseline = write(&marks_of(&[("Secret demo-redis", "1"), ("Service demo-redis", "2"), ("StatefulSet demo-redis", "3")]));
        assert!(
            changed(&baseline, &marks_of(&[("Secret demo-redis", "1"), ("Service demo-redis", "2"), ("StatefulSet demo-redis", "3")]))
                .is_empty()
        );
        let now = marks_of(&[("Secret demo-redis", "1"), ("StatefulSet demo-redis", "4"), ("ConfigMap other", "9")]);
        assert_eq!(changed(&baseline, &now), ["Service demo-redis", "StatefulSet demo-redis"]);
        assert!(changed("Role demo-prometheus=1;RoleBinding demo-prometheus=2", &Marks::new()).is_empty(), "an earlier chart made them");
    }

    #[test]
    fn a_text_of_someone_else_says_nothing() {
        for text in ["", ";;;", "no marks", "=;="] {
            assert!(changed(text, &marks_of(&[("", "")])).is_empty(), "{text}");
        }
    }
}
