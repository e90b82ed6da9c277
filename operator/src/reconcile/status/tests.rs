use super::*;
use crate::helm::complaint::Complaint;
use crate::reason::Reason;
use crate::reconcile::observe::Trouble;
use crate::reconcile::provision::tests::progressed;
use crate::reconcile::validate::{tests as input, validate};
use crate::workload::Workload;

fn workload(desired: i32, ready: i32) -> Observed {
    let workload = Workload { current: true, desired, replicas: desired, ready, updated: desired, available: ready };
    Observed { workload, trouble: None }
}

fn confirmed(confirmed: usize, pods: usize) -> Confirmation {
    Confirmation { pods, confirmed, problem: None, given_up: false }
}

/// The conditions as `Type=Status Reason: message`.
fn told(change: impl FnOnce(&mut View<'_>), spec: &str) -> Vec<String> {
    let up = Provision { addons: Addon::ALL.map(|addon| progressed(addon, AddonPhase::Ready, None)).into(), ..Provision::default() };
    told_with(&up, change, spec)
}

/// The same with addons that are not all up.
fn told_with(provision: &Provision, change: impl FnOnce(&mut View<'_>), spec: &str) -> Vec<String> {
    let resource = input::resource(spec);
    let plan = validate(&resource, input::found(&resource)).expect("valid");
    let mut view = View {
        resource: &resource,
        plan: Some(&plan),
        failure: None,
        drifted: &[],
        provision: Some(provision),
        held: None,
        server: Some(workload(3, 3)),
        client: Some(workload(1, 1)),
        server_confirmed: confirmed(3, 3),
        client_confirmed: confirmed(1, 1),
        clock: None,
        now: Timestamp::from_second(1_700_000_000).expect("in range"),
    };
    change(&mut view);
    let status = status(&view);
    status.conditions.iter().map(|c| format!("{}={} {}: {}", c.type_, c.status, c.reason, c.message)).collect()
}

#[test]
fn a_system_that_runs() {
    insta::assert_snapshot!(told(|_| {}, "{}").join("\n"));
}

#[test]
fn ready_says_in_one_sentence_why_not() {
    let ready = |change: fn(&mut View<'_>)| told(change, "{}").swap_remove(0);
    assert_eq!(ready(|view| view.server = None), "Ready=False Creating: nothing runs yet");
    assert_eq!(ready(|view| view.server = Some(workload(3, 1))), "Ready=False InstancesNotReady: 1 of 3 instances ready");
    let trouble = Trouble { reason: Reason::ImageUnusable, message: "image x:1 cannot be used".to_owned() };
    let broken = told(|view| view.server = Some(Observed { trouble: Some(trouble), ..workload(3, 2) }), "{}");
    assert_eq!(broken[0], "Ready=False ImageUnusable: 2 of 3 instances ready: image x:1 cannot be used");
    assert_eq!(broken[3], "Degraded=True ImageUnusable: image x:1 cannot be used");
    assert_eq!(ready(|view| view.client = Some(workload(1, 0))), "Ready=False ClientsNotReady: 0 of 1 client ready");
    assert_eq!(
        ready(|view| view.server_confirmed = Confirmation { given_up: true, problem: Some("p: no".to_owned()), ..confirmed(2, 3) }),
        "Ready=False SettingsNotConfirmed: 2 of 3 instances have the settings in force; p: no"
    );
    assert_eq!(told(|_| {}, "{operation: {stopped: true}}")[0], "Ready=False Stopped: stopped by spec.operation.stopped");
}

#[test]
fn a_failure_has_the_same_reason_everywhere() {
    let all = told(
        |view| {
            view.plan = None;
            view.failure = Some(&Error::UnequalWeights);
        },
        "{}",
    );
    for (i, start) in [(0, "Ready=False UnequalWeights"), (3, "Degraded=True UnequalWeights"), (6, "Stalled=True UnequalWeights")] {
        assert!(all[i].starts_with(start), "{all:?}");
    }
}

#[test]
fn settings_on_their_way_are_progress_not_an_outage() {
    let all = told(|view| view.server_confirmed = confirmed(1, 3), "{}");
    assert!(all[0].starts_with("Ready=True"));
    assert_eq!(all[2], "Progressing=True Reloading: pods are putting new settings in force");
}

#[test]
fn the_time_of_a_condition_is_kept_while_it_lasts() {
    let mut resource = input::resource("{}");
    let view = |resource: &UserInfoDeployment, second: i64| {
        status(&View {
            resource,
            plan: None,
            failure: None,
            drifted: &[],
            provision: None,
            held: None,
            server: Some(workload(1, 1)),
            client: None,
            server_confirmed: Confirmation::default(),
            client_confirmed: Confirmation::default(),
            clock: None,
            now: Timestamp::from_second(second).expect("in range"),
        })
    };
    let first = view(&resource, 100);
    resource.status = Some(first.clone());
    assert_eq!(view(&resource, 200), first, "nothing is written while nothing changes");
}

#[test]
fn what_is_applied_is_what_one_instance_confirmed() {
    let resource = input::resource("{rateLimiter: {requestsPerSecond: 5}}");
    let plan = validate(&resource, input::found(&resource)).expect("valid");
    let view = |confirmed: usize| View {
        resource: &resource,
        plan: Some(&plan),
        failure: None,
        drifted: &[],
        provision: None,
        held: None,
        server: Some(workload(3, 3)),
        client: None,
        server_confirmed: Confirmation { pods: 3, confirmed, ..Confirmation::default() },
        client_confirmed: Confirmation::default(),
        clock: None,
        now: Timestamp::UNIX_EPOCH,
    };
    assert_eq!(status(&view(0)).applied, None);
    let applied = status(&view(2)).applied.expect("confirmed");
    assert_eq!((applied.instances, applied.generation), (2, 4));
    assert_eq!(applied.rate_limiter.map(|limiter| limiter.requests_per_second), Some(5));
}

#[test]
fn an_addon_that_fails_is_told_of_and_leaves_the_services_ready() {
    let complaint = Complaint { reason: Reason::ValuesRefused, message: "at '/port': got string".to_owned() };
    let failed = |failures: i32| {
        let mut one = progressed(Addon::Grafana, AddonPhase::Failed, Some(complaint.clone()));
        one.status.failures = failures;
        Provision { addons: vec![progressed(Addon::Consul, AddonPhase::Ready, None), one], ..Provision::default() }
    };
    let (once, often) = (failed(1), failed(5));
    let all = told_with(&once, |_| {}, "{}");
    assert_eq!(all[0], "Ready=True Ready: 3 instances ready");
    assert_eq!(all[3], "Degraded=True ValuesRefused: grafana: at '/port': got string");
    assert_eq!(all[4], "AddonsReady=False ValuesRefused: grafana: at '/port': got string");
    assert_eq!(all[6], "Stalled=False NotStalled: nothing waits for a change of the spec");
    let all = told_with(&often, |_| {}, "{}");
    assert_eq!(all[6], "Stalled=True ValuesRefused: grafana failed 5 times in a row: at '/port': got string");
}

#[test]
fn what_is_being_installed_is_progress_and_waited_for_if_nothing_runs() {
    let all = told(
        |view| {
            view.server = None;
            view.held = Some("waits for mysql (helm installs it)");
        },
        "{}",
    );
    assert_eq!(all[0], "Ready=False Waiting: waits for mysql (helm installs it)");
    assert!(all[2].starts_with("Progressing=True"), "{all:?}");
    let installing = Provision { addons: vec![progressed(Addon::Grafana, AddonPhase::Progressing, None)], ..Provision::default() };
    let all = told_with(&installing, |_| {}, "{}");
    assert_eq!(
        (all[0].as_str(), all[2].as_str()),
        ("Ready=True Ready: 3 instances ready", "Progressing=True Provisioning: grafana: not ready")
    );
    assert_eq!(all[4], "AddonsReady=False AddonsNotReady: grafana: not ready");
}
