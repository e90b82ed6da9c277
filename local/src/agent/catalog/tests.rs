use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, from_value, json};

use super::*;

/// A service with a TTL check of 2 s and, if `tcp`, a TCP check each second; all pass at first.
fn registration(id: &str, tcp: bool) -> Registration {
    let mut checks = vec![json!({"CheckID": format!("service:{id}"), "TTL": "2s", "Status": "passing",
        "DeregisterCriticalServiceAfter": "90s"})];
    if tcp {
        checks.push(json!({"TCP": "127.0.0.1:1", "Interval": "1s", "Status": "passing"}));
    }
    from_value(json!({"ID": id, "Name": "s", "Port": 9001, "Checks": checks})).expect("a registration")
}

fn with(ids: &[&str], now: Instant) -> Catalog {
    let mut catalog = Catalog::new(1);
    for id in ids {
        catalog.register(registration(id, false), false, now).expect("valid");
    }
    catalog
}

/// The services, ordered by id.
fn services(catalog: &Catalog) -> Vec<&Service> {
    catalog.services.values().collect()
}

fn passing(catalog: &Catalog) -> usize {
    catalog.health("s", true, &[]).as_array().expect("a list").len()
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_ttl_runs_out_unless_it_is_heard_from() {
    let start = Instant::now();
    let mut catalog = with(&["a", "b"], start);
    assert_eq!(catalog.next_deadline(), Some(start + 2 * SECOND));
    catalog.heartbeat("service:a", CheckStatus::Passing, "pass", start + SECOND).expect("known");
    let before = catalog.index();
    catalog.tick(start + 2 * SECOND);
    assert_eq!(passing(&catalog), 1);
    assert!(catalog.index() > before && catalog.name_index("s") == catalog.index());
    let output = &services(&catalog)[1].checks[0].output;
    assert_eq!(output, "TTL expired (last output before timeout follows): ");

    catalog.heartbeat("service:b", CheckStatus::Passing, "pass", start + 2 * SECOND).expect("known");
    assert_eq!(passing(&catalog), 2, "one heartbeat heals");
}

#[tokio::test(start_paused = true)]
async fn is_removed_after_being_critical_for_too_long() {
    let start = Instant::now();
    let mut catalog = with(&["a"], start);
    catalog.tick(start + 2 * SECOND);
    let removal = start + 92 * SECOND;
    assert_eq!(catalog.next_deadline(), Some(removal));
    catalog.tick(removal - SECOND);
    assert_eq!(services(&catalog).len(), 1);
    let before = catalog.name_index("s");
    catalog.tick(removal);
    assert_eq!(services(&catalog).len(), 0);
    assert!(catalog.name_index("s") > before, "those who wait learn of it");
    assert_eq!(catalog.next_deadline(), None);
}

#[tokio::test(start_paused = true)]
async fn connections_are_opened_each_interval_one_at_a_time() {
    let start = Instant::now();
    let mut catalog = Catalog::new(1);
    catalog.register(registration("a", true), false, start).expect("valid");
    let due = catalog.due_probes(start);
    assert_eq!(due.len(), 1, "the first at once");
    assert_eq!(catalog.due_probes(start + 3 * SECOND), [], "not while one is under way");

    catalog.probed(&due[0], Err("connect: connection refused".to_owned()), start);
    assert_eq!(passing(&catalog), 0);
    assert_eq!(services(&catalog)[0].checks[1].output, "dial tcp 127.0.0.1:1: connect: connection refused");
    assert_eq!(catalog.due_probes(start + SECOND / 2), []);
    let again = catalog.due_probes(start + SECOND);
    catalog.probed(&again[0], Ok(()), start + SECOND);
    assert_eq!(passing(&catalog), 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_result_does_not_hit_a_check_that_replaced_it() {
    let start = Instant::now();
    let mut catalog = Catalog::new(1);
    catalog.register(registration("a", true), false, start).expect("valid");
    let due = catalog.due_probes(start);
    catalog.register(registration("a", true), false, start).expect("valid");
    catalog.probed(&due[0], Err("refused".to_owned()), start);
    assert_eq!(passing(&catalog), 1);
}

#[tokio::test(start_paused = true)]
async fn registering_again_keeps_the_state_and_wakes_nobody_if_nothing_changes() {
    let start = Instant::now();
    let mut catalog = with(&["a"], start);
    let before = catalog.index();
    catalog.register(registration("a", false), false, start + SECOND).expect("valid");
    assert_eq!(catalog.index(), before);
    assert_eq!(catalog.next_deadline(), Some(start + 3 * SECOND), "the TTL begins anew");

    catalog.heartbeat("service:a", CheckStatus::Critical, "", start).expect("known");
    catalog.register(registration("a", false), false, start).expect("valid");
    assert_eq!(passing(&catalog), 0, "Status counts for a new check only");
}

#[tokio::test(start_paused = true)]
async fn checks_left_out_stay_unless_they_are_replaced() {
    let start = Instant::now();
    let mut catalog = Catalog::new(1);
    catalog.register(registration("a", true), false, start).expect("valid");
    catalog.register(registration("a", false), false, start).expect("valid");
    assert_eq!(services(&catalog)[0].checks.len(), 2);
    catalog.register(registration("a", false), true, start).expect("valid");
    assert_eq!(services(&catalog)[0].checks.len(), 1);
}

#[test]
fn is_bounded() {
    let now = Instant::now();
    let mut catalog = Catalog::new(1);
    for i in 0..MAX_SERVICES {
        catalog.register(registration(&i.to_string(), false), false, now).expect("room");
    }
    assert_eq!(catalog.register(registration("more", false), false, now), Err(Rejection::Full(MAX_SERVICES)));
    assert_eq!(catalog.register(registration("7", false), false, now), Ok(()), "a known one may register again");
    let long = Registration { name: "n".repeat(300), ..Registration::default() };
    assert_eq!(catalog.register(long, false, now), Err(Rejection::invalid("service name is longer than 256 bytes")));
}

/// What may happen to the registry.
#[derive(Debug, Clone)]
enum Event {
    Register(u8),
    Deregister(u8),
    Heartbeat(u8, CheckStatus),
    Pass(u16),
}

fn event() -> impl Strategy<Value = Event> {
    let status = prop_oneof![Just(CheckStatus::Passing), Just(CheckStatus::Warning), Just(CheckStatus::Critical)];
    prop_oneof![
        (0..4u8).prop_map(Event::Register),
        (0..4u8).prop_map(Event::Deregister),
        (0..4u8, status).prop_map(|(id, status)| Event::Heartbeat(id, status)),
        (0..3000u16).prop_map(Event::Pass),
    ]
}

proptest! {
    /// Whatever happens, a change of the list of passing instances raises the name's index, and no index ever falls.
    #[test]
    fn every_visible_change_raises_the_index(events in proptest::collection::vec(event(), 1..60)) {
        let mut now = Instant::now();
        let mut catalog = Catalog::new(1);
        for event in events {
            let (list, index, names) = (catalog.health("s", true, &[]), catalog.name_index("s"), catalog.names_index());
            match event {
                Event::Register(id) => drop(catalog.register(registration(&id.to_string(), false), false, now)),
                Event::Deregister(id) => drop(catalog.deregister(&id.to_string())),
                Event::Heartbeat(id, status) => drop(catalog.heartbeat(&format!("service:{id}"), status, "", now)),
                Event::Pass(millis) => now += Duration::from_millis(millis.into()),
            }
            catalog.tick(now);
            prop_assert!(catalog.name_index("s") >= index && catalog.names_index() >= names && catalog.index() >= catalog.name_index("s"));
            let ids = |list: &Value| -> Vec<String> {
                list.as_array().into_iter().flatten().map(|entry| entry["Service"]["ID"].to_string()).collect()
            };
            if ids(&list) != ids(&catalog.health("s", true, &[])) {
                prop_assert!(catalog.name_index("s") > index);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn p1_what_is_registered_is_bounded_and_there_is_room_again() {
    let now = Instant::now();
    let mut catalog = Catalog::new(1);
    let large =
        |n: usize| -> Registration { from_value(json!({"ID": format!("l{n}"), "Name": "s", "Tags": ["a".repeat(60_000)]})).expect("one") };
    let refused = (0..MAX_SERVICES).find(|n| catalog.register(large(*n), false, now).is_err()).expect("full");
    assert!(refused < MAX_BYTES / 60_000 + 1, "{refused}");
    assert_eq!(catalog.register(large(refused), false, now), Err(Rejection::Overfull(MAX_BYTES)));
    catalog.register(large(0), false, now).expect("one that is there may be registered again");
    catalog.deregister("l0").expect("there");
    catalog.register(large(refused), false, now).expect("room again");
}

#[tokio::test(start_paused = true)]
async fn p1_checks_do_not_add_up_with_each_registration() {
    let now = Instant::now();
    let mut catalog = Catalog::new(1);
    let mut add = |n: usize, replace: bool| {
        let checks: Vec<Value> = (0..10).map(|i| json!({"CheckID": format!("{n}-{i}"), "TTL": "60s"})).collect();
        catalog.register(from_value(json!({"ID": "a", "Name": "s", "Checks": checks})).expect("one"), replace, now)
    };
    add(0, false).expect("few");
    assert_eq!(add(1, false), Err(Rejection::invalid("20 checks; at most 16")));
    add(1, true).expect("those of before go");
}
