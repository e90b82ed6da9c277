use super::*;
use serde_json::{Value, json};

fn pod(status: &Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": "p"}, "status": status})).expect("a pod")
}

fn waiting(reason: &str) -> Value {
    json!({"containerStatuses": [{
        "name": "user-info", "image": "user-info:1", "imageID": "", "ready": false, "restartCount": 3,
        "state": {"waiting": {"reason": reason, "message": "back-off 10s"}},
        "lastState": {"terminated": {"exitCode": 64}},
    }]})
}

#[test]
fn what_keeps_pods_from_starting_is_named() {
    for (status, reason, message) in [
        (waiting("ImagePullBackOff"), Reason::ImageUnusable, "image user-info:1 cannot be used"),
        (waiting("ErrImageNeverPull"), Reason::ImageUnusable, "image user-info:1 cannot be used"),
        (waiting("CrashLoopBackOff"), Reason::Crashing, "container user-info ends again and again with exit code 64; see its log"),
        (waiting("CreateContainerConfigError"), Reason::ContainerRefused, "container user-info cannot be started: back-off 10s"),
        (
            json!({"conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}]}),
            Reason::Unschedulable,
            "0/1 nodes",
        ),
    ] {
        assert_eq!(Trouble::of_pods(&[pod(&status)]), Some(Trouble { reason, message: message.to_owned() }));
    }
    assert_eq!(Trouble::of_pods(&[pod(&waiting("ContainerCreating"))]), None);
}

#[test]
fn what_keeps_a_deployment_from_making_pods_is_named() {
    let deployment =
        |conditions: Value| -> Deployment { serde_json::from_value(json!({"status": {"conditions": conditions}})).expect("a deployment") };
    let quota = "pods \"demo-x7\" is forbidden: exceeded quota: q, requested: pods=1";
    let failure = json!({"type": "ReplicaFailure", "status": "True", "message": quota});
    let late = json!({"type": "Progressing", "status": "False", "message": "late"});
    assert_eq!(
        Trouble::of_deployment(&deployment(json!([late, failure]))),
        Some(Trouble { reason: Reason::QuotaExceeded, message: "pods are refused: exceeded quota: q, requested: pods=1".to_owned() })
    );
    assert_eq!(Trouble::of_deployment(&deployment(json!([late]))).map(|trouble| trouble.reason), Some(Reason::NoProgress));
    assert_eq!(Trouble::of_deployment(&deployment(json!([]))), None);
}

#[test]
fn a_claim_without_a_volume_is_named() {
    let unschedulable = |message: &str| Trouble { reason: Reason::Unschedulable, message: message.to_owned() };
    assert!(unschedulable("0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.").wants_volume());
    assert!(unschedulable("0/1 nodes are available: 1 node(s) didn't find available persistent volumes to bind.").wants_volume());
    assert!(!unschedulable("0/1 nodes are available: 1 Insufficient cpu.").wants_volume());
    let claim = |class: &str, phase: &str| -> PersistentVolumeClaim {
        let spec = json!({"storageClassName": class, "resources": {"requests": {"storage": "1Gi"}}});
        serde_json::from_value(json!({"metadata": {"name": "data-p-0"}, "spec": spec, "status": {"phase": phase}})).expect("a claim")
    };
    let message = "the cluster gives PersistentVolumeClaim data-p-0 no volume of 1Gi in storage class none; `kubectl describe pvc data-p-0` \
                   says why";
    assert_eq!(Trouble::of_claim(&claim("none", "Pending")), Some(Trouble { reason: Reason::VolumeUnbound, message: message.to_owned() }));
    assert_eq!(Trouble::of_claim(&claim("none", "Bound")), None);
}
