//! What the containers of every workload may do.

use super::*;

#[test]
fn every_container_is_without_root_privileges_token_or_a_writable_root() {
    for spec in ["{}", "{data: {mysql: {mode: Managed}, redis: {mode: Managed}}}", "{data: {mysql: {mode: Embedded}}}"] {
        let all = children(spec);
        let workloads: Vec<_> = all.iter().filter(|child| matches!(child.kind, Kind::Deployment | Kind::Job)).collect();
        assert!(workloads.len() >= 2, "{spec}");
        for workload in workloads {
            let pod = &workload.manifest["spec"]["template"]["spec"];
            assert_eq!(pod["automountServiceAccountToken"], false, "{}", workload.name);
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true, "{}", workload.name);
            assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault", "{}", workload.name);
            for host in ["hostNetwork", "hostPID", "hostIPC"] {
                assert!(pod.get(host).is_none_or(|used| *used == false), "{} {host}", workload.name);
            }
            let containers = ["containers", "initContainers"].into_iter().flat_map(|list| pod[list].as_array()).flatten();
            for container in containers {
                let context = &container["securityContext"];
                assert_eq!(context["readOnlyRootFilesystem"], true, "{container}");
                assert_eq!(context["allowPrivilegeEscalation"], false, "{container}");
                assert_eq!(context["capabilities"], serde_json::json!({"drop": ["ALL"]}), "{container}");
                assert!(context.get("privileged").is_none_or(|used| *used == false), "{container}");
            }
        }
    }
}
