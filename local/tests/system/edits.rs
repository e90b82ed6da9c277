//! Edits of the file while the system runs.

use serde_json::Value;
use user_info_testing::http::get_json;
use user_info_testing::system::{System, resource};
use user_info_testing::wait::{check, eventually};

/// Three edits that cannot be used, and what is said of them.
const BROKEN: [(&str, &str); 3] = [
    ("  replicas: many", "system.yaml:5: spec.replicas: is \"many\", not a whole number"),
    ("  replicaz: 3", "system.yaml:5: spec.replicaz: is no field; did you mean replicas?"),
    ("  replicas: [", "system.yaml:"),
];

#[tokio::test]
async fn a_broken_edit_keeps_the_last_good_spec_and_is_reported_until_it_is_mended() {
    let good = "  replicas: 2\n  client: {requestsPerSecond: 200, concurrency: 4}";
    let mut system = System::start(good).await;
    let pids = system.pids();
    for (broken, said) in BROKEN {
        system.save(broken);
        let message = system.message("problem").await;
        assert!(message.starts_with(said), "{message}");
        assert!(message.ends_with("the last good spec stays in force (generation 1)"), "{message}");
        problem_on_the_page(&system, |problem| problem.as_str().is_some_and(|p| p.starts_with(said))).await;
    }
    std::fs::remove_file(system.file()).expect("it is there");
    let message = system.message("problem").await;
    assert!(message.starts_with("system.yaml: cannot be read: "), "{message}");
    system.until_called(20.0).await;

    system.change("  replicas: 3\n  client: {requestsPerSecond: 200, concurrency: 4}").await;
    problem_on_the_page(&system, Value::is_null).await;
    let snapshot = system.snapshot().await;
    assert_eq!((&snapshot["generation"], &snapshot["spec"]["replicas"]), (&2.into(), &3.into()));
    let now = system.processes().await;
    assert!(pids.iter().all(|pid| now.iter().any(|p| p.pid == Some(*pid))), "no restart: {now:?}");
    let calls = system.calls().await;
    assert_eq!(calls.other_than(&["0"]), 0.0, "{calls:?}");
}

#[tokio::test]
async fn a_file_that_is_a_link_is_followed_to_where_it_leads() {
    let mut system = System::start("  replicas: 1\n  client: {enabled: false}").await;
    let there = system.dir.path().join("there.yaml");
    std::fs::rename(system.file(), &there).expect("renamed");
    std::os::unix::fs::symlink("there.yaml", system.file()).expect("linked");
    std::fs::write(&there, resource("  replicas: 2\n  client: {enabled: false}")).expect("written");
    let message = system.message("change").await;
    assert!(message.starts_with("generation 2: "), "{message}");
}

async fn problem_on_the_page(system: &System, holds: impl Fn(&Value) -> bool) {
    eventually("the page shows it", async || {
        let problem = system.snapshot().await["problem"].clone();
        check(holds(&problem), problem)
    })
    .await;
}

#[tokio::test]
async fn settings_that_take_a_restart_roll_one_instance_after_the_other_without_a_failed_call() {
    let spec = |timeout: &str| {
        let server = format!("  server: {{timeout: {timeout}, drainDelay: 1s}}");
        format!("  replicas: 3\n{server}\n  client: {{requestsPerSecond: 200, concurrency: 4}}")
    };
    let mut system = System::start(&spec("1s")).await;
    let before = system.instances();
    system.until_called(50.0).await;
    system.change(&spec("900ms")).await;
    system.until_called(50.0).await;
    for old in before {
        let now = system.processes().await.into_iter().find(|p| p.name == old.name).expect("it is in the table");
        assert_ne!(now.pid, old.pid);
        assert_eq!((now.grpc, now.state.as_str()), (old.grpc, "ready"));
        assert_eq!(get_json(now.http, "/config").await["config"]["server"]["timeout"], "900ms");
    }
    let calls = system.calls().await;
    assert_eq!(calls.other_than(&["0"]), 0.0, "{calls:?}");
}
