//! `conditions.md`: what the status of a `UserInfoDeployment` says.

use std::time::Duration;

use user_info_operator::condition::ConditionType;
use user_info_operator::reason::{Class, Reason};

use crate::markdown::{code, head, table};

const ABOUT: &str = "\
The conditions in the status of a `UserInfoDeployment`, and the reasons they give. The same reasons are in Events and in
the operator's metrics. Each condition carries the generation of the spec that it speaks of, and a message with the
particulars. `kubectl wait --for=condition=Ready uinfo/NAME` waits for the first.";

const FAILURES: &str = "\n## Failures\n\nA failure leaves what runs as it is, and makes Ready false and Degraded true.\n";

const ADDONS: &str =
    "\n## Addons\n\nWhat can be the matter with an addon. It makes AddonsReady false and Degraded true; instances are not touched.\n";

/// The page.
pub(crate) fn page() -> String {
    let conditions = ConditionType::ALL.map(|kind| [code(kind.name()), kind.meaning().to_owned()]);
    let states = reasons(|reason| Some([code(reason.name()), reason.of_state()?.to_owned()]));
    let failures = reasons(|reason| {
        let (class, meaning) = reason.of_failure()?;
        Some([code(reason.name()), class.name().to_owned(), meaning.to_owned()])
    });
    let addons = reasons(|reason| Some([code(reason.name()), reason.of_addon()?.to_owned()]));
    let classes = Class::ALL.map(|class| [class.name().to_owned(), class.cure().to_owned(), retried(class)]);
    [
        head("Conditions and reasons", ABOUT),
        "\n## Conditions\n".to_owned(),
        table(["condition", "true while"], conditions),
        "\n## Reasons\n".to_owned(),
        table(["reason", "meaning"], states),
        FAILURES.to_owned(),
        table(["reason", "class", "meaning"], failures),
        "\n### Classes\n".to_owned(),
        table(["class", "what mends it", "tried again after"], classes),
        ADDONS.to_owned(),
        table(["reason", "meaning"], addons),
    ]
    .concat()
}

/// A row for each reason that has one.
fn reasons<const N: usize>(row: impl Fn(Reason) -> Option<[String; N]>) -> Vec<[String; N]> {
    Reason::ALL.iter().copied().filter_map(row).collect()
}

/// When a reconcile that failed is tried again.
fn retried(class: Class) -> String {
    let (first, longest) = class.pauses();
    let sooner = if class == Class::Permanent { ", or at once when it changes" } else { "" };
    format!("{}, doubled to {}{sooner}", words(first), words(longest))
}

/// A span of time as one says it.
fn words(span: Duration) -> String {
    match span.as_secs() {
        seconds if seconds > 60 && seconds % 60 == 0 => format!("{} min", seconds / 60),
        _ => format!("{} s", span.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_a_row_for_each_condition_reason_and_class() {
        let page = page();
        for name in Reason::ALL.iter().map(|reason| reason.name()).chain(ConditionType::ALL.map(ConditionType::name)) {
            assert!(page.contains(&format!("| `{name}` | ")), "{name}");
        }
        for row in [
            "| `QuotaExceeded` | configuration | the namespace's quota is used up |",
            "| transient | time; in the status only after three in a row | 0.5 s, doubled to 60 s |",
            "| permanent | a change of the resource | 5 s, doubled to 5 min, or at once when it changes |",
        ] {
            assert!(page.contains(row), "{row}");
        }
    }
}
