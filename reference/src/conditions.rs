//! `conditions.md`: what the status of a `UserInfoDeployment` says.

use crate::markdown::{code, head, table};

const ABOUT: &str = "\
The conditions in the status of a `UserInfoDeployment`, and the reasons they give. The same reasons are in Events and in
the operator's metrics. Each condition carries the generation of the spec that it speaks of, and a message with the
particulars. `kubectl wait --for=condition=Ready uinfo/NAME` waits for the first.";

const CONDITIONS: [(&str, &str); 7] = [
    ("Ready", "as many instances and clients are ready as the spec asks for, and none failed to confirm its settings"),
    ("Available", "at least one instance takes calls"),
    ("Progressing", "something is still being done"),
    ("Degraded", "something is wrong, whether or not calls are answered"),
    ("AddonsReady", "the addons that are asked for are there"),
    ("Paused", "`spec.operation.paused` holds changes back"),
    ("Stalled", "nothing goes on until someone changes the spec"),
];

/// Reasons that are no failures, or of pods that are missing.
const STATES: [(&str, &str); 35] = [
    ("AddonsNotReady", "an addon is being installed, or its pods are not ready yet"),
    ("AddonsReady", "every addon is up, or comes from elsewhere"),
    ("AsExpected", "nothing is wrong"),
    ("ClientsNotReady", "fewer clients are ready than asked for, and none says why yet"),
    ("ContainerRefused", "the node cannot start a container, as for want of a Secret's key; the message says why"),
    ("Crashing", "a container ends again and again; its log says why"),
    ("Creating", "nothing runs yet"),
    ("Drifted", "someone else changed an object, and `driftDetection` says to leave it so"),
    ("Failed", "waits for what Degraded tells of"),
    ("ImageUnusable", "the image cannot be pulled; mend `spec.image`, or load the image"),
    ("InstancesAvailable", "instances take calls"),
    ("InstancesNotReady", "fewer instances are ready than asked for, and none says why yet"),
    ("InvalidSpec", "the services would refuse a value that comes from the resource; the message names the field"),
    ("Leftovers", "an Event alone: the resource was let go by `userinfo.bbs.dev/abandon-releases`; the message names what stays"),
    ("NoInstance", "no instance takes calls"),
    ("NoProgress", "the Deployment made no progress for its deadline"),
    ("NotPaused", "changes are carried out"),
    ("NotStalled", "nothing waits for a change of the spec"),
    ("Paused", "changes wait for `spec.operation.paused: false`"),
    ("PodsRefused", "the API server refuses the pods; the message says why"),
    ("Provisioning", "addons are being installed, changed or removed"),
    ("QuotaExceeded", "the namespace's quota is used up"),
    ("Ready", "instances and clients are ready"),
    ("Reloading", "pods are putting new settings in force"),
    ("Removing", "the resource is being deleted; the message names what is still there"),
    ("RollingOut", "pods are being started or replaced"),
    ("Settled", "nothing is left to do"),
    ("SettingsNotConfirmed", "some pods did not say within a minute that the settings are in force"),
    ("Stopped", "`spec.operation.stopped` is set"),
    ("Unknown", "the Helm releases could not be looked at"),
    ("Unreadable", "the resource is not what its schema says, as one of another version"),
    ("Unschedulable", "no node takes a pod; the message says why"),
    ("UnequalWeights", "`spec.server.weights` differ, which pods of a Deployment cannot have"),
    ("VolumeUnbound", "the cluster gives an addon no volume; the message names the claim"),
    ("Waiting", "instances wait for what they need, such as a store that is being installed"),
];

/// Failures of a reconcile, and what mends them.
const FAILURES: [(&str, &str, &str); 15] = [
    ("ApiUnavailable", "transient", "the API server does not answer, or cannot"),
    ("Conflict", "conflict", "someone else changed an object meanwhile"),
    ("Forbidden", "configuration", "the operator lacks a right; the message names it, `user-info-operator run --help` lists all"),
    ("Gone", "conflict", "an object went meanwhile"),
    ("InvalidSpec", "permanent", "as above"),
    ("NamespaceTerminating", "transient", "the namespace is being deleted, and the resource with it"),
    ("NoServiceMonitors", "configuration", "the cluster does not know ServiceMonitor, and `serviceMonitor: Enabled` insists on it"),
    (
        "ObjectForeign",
        "configuration",
        "an object of someone else stands where one of the resource's is to be; the message names it, and what helps",
    ),
    ("ObjectRefused", "permanent", "the API server finds an object invalid; the message names the field"),
    ("QuotaExceeded", "configuration", "the namespace's quota is used up"),
    ("SecretKeyMissing", "configuration", "a Secret lacks the key that the spec names"),
    ("SecretMissing", "configuration", "a Secret that the spec names is not there"),
    ("Timeout", "transient", "a reconcile took longer than 60 s"),
    ("UnequalWeights", "permanent", "as above"),
    ("Unreadable", "permanent", "as above"),
];

/// What can be the matter with an addon.
const ADDONS: [(&str, &str); 18] = [
    (
        "AccountMissing",
        "Helm is not called, since the ServiceAccount `user-info-charts`, as which it runs, or its binding is missing; the message says how to look",
    ),
    (
        "ChartForeign",
        "`chart` names one from elsewhere, and `charts.foreign` of the operator's chart is not `true`; a release that is there stays as it is",
    ),
    ("ChartNotFound", "the repository has no chart of this name or version"),
    ("DriftCorrected", "an Event alone: what someone else changed of a release was changed back"),
    ("Forbidden", "the ServiceAccount `user-info-charts` lacks a right that the chart needs; the message names it"),
    ("HelmBroken", "Helm cannot be run, or its folder not be used"),
    ("HelmFailed", "Helm failed with something that has no name here; the message is Helm's"),
    ("HelmTimeout", "Helm took longer than the addon's `timeout`"),
    ("ObjectForeign", "an object of someone else stands where one of the release's is to be; remove it, or set `mode: External`"),
    ("ObjectRefused", "the API server finds an object of the chart invalid"),
    ("QuotaExceeded", "the namespace's quota is used up"),
    ("ReleaseForeign", "a release of this name belongs to someone else; uninstall it, or set `mode: External`"),
    ("RepositoryRefused", "the repository wants other credentials: see `chart.secretRef`"),
    ("RepositoryUnreachable", "the repository's name or address does not answer"),
    ("SecretMissing", "the Secret of `chart.secretRef` is not there, or lacks a key"),
    ("Unreachable", "a connection was refused, to the repository or the API server"),
    ("ValuesMissing", "an object that `valuesFrom` names is not there"),
    ("ValuesRefused", "the chart does not take the values; the message says which"),
];

const CLASSES: [[&str; 3]; 4] = [
    ["transient", "time; in the status only after three in a row", "0.5 s, doubled to 60 s"],
    ["conflict", "trying again with what is there now; in the status as above", "0.5 s, doubled to 60 s"],
    ["configuration", "someone, but not in the resource: a Secret, a quota, a right", "1 s, doubled to 15 s"],
    ["permanent", "a change of the resource", "5 s, doubled to 5 min, or at once when it changes"],
];

/// The page.
pub(crate) fn page() -> String {
    let conditions = CONDITIONS.map(|(name, meaning)| [code(name), meaning.to_owned()]);
    let states = STATES.map(|(reason, meaning)| [code(reason), meaning.to_owned()]);
    let failures = FAILURES.map(|(reason, class, meaning)| [code(reason), class.to_owned(), meaning.to_owned()]);
    let addons = ADDONS.map(|(reason, meaning)| [code(reason), meaning.to_owned()]);
    let classes = CLASSES.map(|row| row.map(str::to_owned));
    [
        head("Conditions and reasons", ABOUT),
        "\n## Conditions\n".to_owned(),
        table(["condition", "true while"], conditions),
        "\n## Reasons\n".to_owned(),
        table(["reason", "meaning"], states),
        "\n## Failures\n\nA failure leaves what runs as it is, and makes Ready false and Degraded true.\n".to_owned(),
        table(["reason", "class", "meaning"], failures),
        "\n### Classes\n".to_owned(),
        table(["class", "what mends it", "tried again after"], classes),
        "\n## Addons\n\nWhat can be the matter with an addon. It makes AddonsReady false and Degraded true; instances are not touched.\n"
            .to_owned(),
        table(["reason", "meaning"], addons),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use regex::Regex;

    use super::*;

    /// The operator's source but for its tests.
    fn sources(dir: &Path) -> String {
        let mut text = String::new();
        for entry in std::fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            let name = entry.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if entry.is_dir() && name != "tests" {
                text += &sources(&entry);
            } else if name.ends_with(".rs") && name != "tests.rs" {
                let file = std::fs::read_to_string(&entry).expect("readable");
                text += file.split("#[cfg(test)]").next().unwrap_or_default();
            }
        }
        text
    }

    fn found(pattern: &str, text: &str) -> BTreeSet<String> {
        Regex::new(pattern).expect("a pattern").captures_iter(text).map(|found| found[1].to_owned()).collect()
    }

    #[test]
    fn every_reason_in_the_operators_code_is_described_and_no_other() {
        let text = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../operator/src"));
        let mut used = BTreeSet::new();
        for pattern in [
            r#"\(Class::\w+, "(\w+)"\)"#,      // a failure of a reconcile
            r#"\((?:true|false), "(\w+)","#,   // a condition's verdict
            r#"reason: "(\w+)""#,              // trouble with pods, a complaint about an addon
            r#"short\(\w+, "\w+", "(\w+)"\)"#, // fewer pods than asked for
            r#"map_or\("([A-Z]\w+)", \|"#,     // where nothing better is known
            r#"\("[^"]+", "([A-Z]\w+)"\),"#,   // what Helm says
            r#"EventType::\w+, "(\w+)","#,     // an Event alone
        ] {
            used.extend(found(pattern, &text));
        }
        let failures = FAILURES.iter().map(|(reason, ..)| *reason);
        let known = STATES.iter().chain(&ADDONS).map(|(reason, _)| *reason).chain(failures);
        assert_eq!(used, known.map(str::to_owned).collect());
        for (reason, class, _) in FAILURES {
            let said = format!(r#"(Class::{}{}, "{reason}")"#, class[..1].to_uppercase(), &class[1..]);
            assert!(text.contains(&said), "{reason} is not {class}");
        }

        let conditions = found(r#"\("(\w+)", \w+\(view\)\)"#, &text);
        assert_eq!(conditions, CONDITIONS.iter().map(|(name, _)| (*name).to_owned()).collect());
    }
}
