use proptest::prelude::*;
use serde_json::from_value;

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

fn with(ids: &[&str], now: Instant) -> State {
    let mut state = State::new(1);
    for id in ids {
        state.register(registration(id, false), false, now).expect("valid");
    }
    state
}

fn passing(state: &State) -> usize {
    state.health("s", true, &[]).as_array().expect("a list").len()
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_ttl_runs_out_unless_it_is_heard_from() {
    let start = Instant::now();
    let mut state = with(&["a", "b"], start);
    assert_eq!(state.next_deadline(), Some(start + 2 * SECOND));
    state.heartbeat("service:a", CheckStatus::Passing, "pass", start + SECOND).expect("known");
    let before = state.index();
    state.tick(start + 2 * SECOND);
    assert_eq!(passing(&state), 1);
    assert!(state.index() > before && state.name_index("s") == state.index());
    let output = &state.services()[1].checks[0].output;
    assert_eq!(output, "TTL expired (last output before timeout follows): ");

    state.heartbeat("service:b", CheckStatus::Passing, "pass", start + 2 * SECOND).expect("known");
    assert_eq!(passing(&state), 2, "one heartbeat heals");
}

#[tokio::test(start_paused = true)]
async fn is_removed_after_being_critical_for_too_long() {
    let start = Instant::now();
    let mut state = with(&["a"], start);
    state.tick(start + 2 * SECOND);
    let removal = start + 92 * SECOND;
    assert_eq!(state.next_deadline(), Some(removal));
    state.tick(removal - SECOND);
    assert_eq!(state.services().len(), 1);
    let before = state.name_index("s");
    state.tick(removal);
    assert_eq!(state.services().len(), 0);
    assert!(state.name_index("s") > before, "those who wait learn of it");
    assert_eq!(state.next_deadline(), None);
}

#[tokio::test(start_paused = true)]
async fn connections_are_opened_each_interval_one_at_a_time() {
    let start = Instant::now();
    let mut state = State::new(1);
    state.register(registration("a", true), false, start).expect("valid");
    let due = state.due_probes(start);
    assert_eq!(due.len(), 1, "the first at once");
    assert_eq!(state.due_probes(start + 3 * SECOND), [], "not while one is under way");

    state.probed(&due[0], Err("connect: connection refused".to_owned()), start);
    assert_eq!(passing(&state), 0);
    assert_eq!(state.services()[0].checks[1].output, "dial tcp 127.0.0.1:1: connect: connection refused");
    assert_eq!(state.due_probes(start + SECOND / 2), []);
    let again = state.due_probes(start + SECOND);
    state.probed(&again[0], Ok(()), start + SECOND);
    assert_eq!(passing(&state), 1);
}

#[tokio::test(start_paused = true)]
async fn a_late_result_does_not_hit_a_check_that_replaced_it() {
    let start = Instant::now();
    let mut state = State::new(1);
    state.register(registration("a", true), false, start).expect("valid");
    let due = state.due_probes(start);
    state.register(registration("a", true), false, start).expect("valid");
    state.probed(&due[0], Err("refused".to_owned()), start);
    assert_eq!(passing(&state), 1);
}

#[tokio::test(start_paused = true)]
async fn registering_again_keeps_the_state_and_wakes_nobody_if_nothing_changes() {
    let start = Instant::now();
    let mut state = with(&["a"], start);
    let before = state.index();
    state.register(registration("a", false), false, start + SECOND).expect("valid");
    assert_eq!(state.index(), before);
    assert_eq!(state.next_deadline(), Some(start + 3 * SECOND), "the TTL begins anew");

    state.heartbeat("service:a", CheckStatus::Critical, "", start).expect("known");
    state.register(registration("a", false), false, start).expect("valid");
    assert_eq!(passing(&state), 0, "Status counts for a new check only");
}

#[tokio::test(start_paused = true)]
async fn checks_left_out_stay_unless_they_are_replaced() {
    let start = Instant::now();
    let mut state = State::new(1);
    state.register(registration("a", true), false, start).expect("valid");
    state.register(registration("a", false), false, start).expect("valid");
    assert_eq!(state.services()[0].checks.len(), 2);
    state.register(registration("a", false), true, start).expect("valid");
    assert_eq!(state.services()[0].checks.len(), 1);
}

#[test]
fn is_bounded() {
    let now = Instant::now();
    let mut state = State::new(1);
    for i in 0..MAX_SERVICES {
        state.register(registration(&i.to_string(), false), false, now).expect("room");
    }
    assert_eq!(state.register(registration("more", false), false, now), Err(Rejection::Full(MAX_SERVICES)));
    assert_eq!(state.register(registration("7", false), false, now), Ok(()), "a known one may register again");
    let long = Registration { name: "n".repeat(300), ..Registration::default() };
    assert_eq!(state.register(long, false, now), Err(Rejection::invalid("service name is longer than 256 bytes")));
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
        let mut state = State::new(1);
        for event in events {
            let (list, index, catalog) = (state.health("s", true, &[]), state.name_index("s"), state.catalog_index());
            match event {
                Event::Register(id) => drop(state.register(registration(&id.to_string(), false), false, now)),
                Event::Deregister(id) => drop(state.deregister(&id.to_string())),
                Event::Heartbeat(id, status) => drop(state.heartbeat(&format!("service:{id}"), status, "", now)),
                Event::Pass(millis) => now += Duration::from_millis(millis.into()),
            }
            state.tick(now);
            prop_assert!(state.name_index("s") >= index && state.catalog_index() >= catalog && state.index() >= state.name_index("s"));
            let ids = |list: &Value| -> Vec<String> {
                list.as_array().into_iter().flatten().map(|entry| entry["Service"]["ID"].to_string()).collect()
            };
            if ids(&list) != ids(&state.health("s", true, &[])) {
                prop_assert!(state.name_index("s") > index);
            }
        }
    }
}
