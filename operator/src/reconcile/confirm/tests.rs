use super::*;

#[test]
fn an_instance_confirms_by_having_the_live_settings_in_force() {
    let live = json!({"rateLimiter": {"burst": 1}});
    assert_eq!(judge(&json!({"generation": 3, "config": {"live": live}, "problem": null}), &live), Ok(()));
    let other = json!({"config": {"live": {"rateLimiter": {"burst": 2}}}, "problem": null});
    assert_eq!(judge(&other, &live), Err("has not read the new settings yet".to_owned()));
    let broken = json!({"config": {"live": live}, "problem": "live.rateLimiter: no"});
    assert_eq!(judge(&broken, &live), Err("live.rateLimiter: no".to_owned()));
}

#[test]
fn only_pods_that_take_calls_count() {
    let pod = |ready: &str, deleted: Option<&str>| -> Pod {
        let pod = json!({"metadata": {"name": "p", "deletionTimestamp": deleted}, "status": {"conditions": [{"type": "Ready", "status": ready}]}});
        serde_json::from_value(pod).expect("a pod")
    };
    assert!(ready(&pod("True", None)));
    assert!(!ready(&pod("False", None)));
    assert!(!ready(&pod("True", Some("2030-01-01T00:00:00Z"))));
    assert!(!ready(&Pod::default()));
}

#[test]
fn pods_are_asked_until_all_have_confirmed_or_it_is_given_up() {
    let state = |pods, confirmed, given_up| Confirmation { pods, confirmed, problem: None, given_up };
    assert!(state(3, 2, false).pending());
    assert!(!state(3, 3, false).pending());
    assert!(!state(3, 2, true).pending());
    assert!(state(0, 0, false).complete());
}

#[test]
fn only_pods_of_the_deployment_are_asked_and_woken() {
    let pod = |kind: &str, name: &str| -> Pod {
        let owner = json!([{"apiVersion": "apps/v1", "kind": kind, "name": name, "uid": "u", "controller": true}]);
        serde_json::from_value(json!({"metadata": {"name": "p", "ownerReferences": owner}})).expect("a pod")
    };
    assert!(made_by(&pod("ReplicaSet", "demo-user-info-6d4b9"), "demo-user-info"));
    assert!(!made_by(&pod("ReplicaSet", "other-6d4b9"), "demo-user-info"));
    assert!(!made_by(&pod("ReplicaSet", "demo-user-info-peers-6d4b9"), "demo-user-info"));
    assert!(!made_by(&pod("StatefulSet", "demo-user-info-0"), "demo-user-info"));
    assert!(!made_by(&Pod::default(), "demo-user-info"), "copied labels");
}
