//! A system that version 0.1.0 installed: Helm had the operator's rights then, and the chart of Prometheus made a Role.

use std::process::Command;

use serde_json::json;
use user_info_operator::kind::Kind;
use user_info_testing::wait::{eventually, within};

use crate::harness::{Place, ROLES, charts, helm, kubeconfig};
use crate::releases::{INSTALLED, calls, deployed, newest};

/// What the chart of version 0.1.0 had beside today's.
const ROLE: &str = r#"
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{- include "addon.meta" . | nindent 2 }}
rules:
  - apiGroups: [""]
    resources: [pods]
    verbs: [list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{- include "addon.meta" . | nindent 2 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: {{ .Release.Name | quote }}}
subjects:
  - {kind: ServiceAccount, name: {{ .Release.Name | quote }}, namespace: {{ .Release.Namespace | quote }}}
"#;

/// A namespace with the release of Prometheus that version 0.1.0 made for `demo`.
async fn installed() -> Place {
    let place = Place::new().await;
    let folder = tempfile::tempdir().expect("a folder");
    let chart = folder.path().join("prometheus");
    assert!(Command::new("cp").arg("--recursive").args([charts().join("prometheus"), chart.clone()]).status().expect("cp").success());
    std::fs::write(chart.join("templates/role.yaml"), ROLE).expect("written");
    let mut command = Command::new(helm().program.helm);
    command.args(["upgrade", "--install", "demo-prometheus"]).arg(&chart).arg("--kubeconfig").arg(kubeconfig());
    command.args(["--namespace", &place.namespace, "--set=instance=demo,scrapeInterval=10s", "--server-side=true"]);
    command.arg("--labels=userinfo.bbs.dev/owner=demo,userinfo.bbs.dev/digest=before");
    let done = command.output().expect("helm");
    assert!(done.status.success(), "{done:?}");
    for kind in [Kind::Role, Kind::RoleBinding] {
        assert!(place.get(kind, "demo-prometheus").await.is_some());
    }
    place
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn its_prometheus_keeps_its_right_by_a_binding_of_the_operators() {
    let place = installed().await;
    let operator = place.operator();
    place.apply(json!({"addons": {"prometheus": {"mode": "Managed"}}})).await.expect("taken");
    deployed(&place, "demo-prometheus", 2).await;
    let gone = async |kind| eventually("its end", async || place.get(kind, "demo-prometheus").await.is_none().then_some(())).await;
    gone(Kind::Role).await;
    gone(Kind::RoleBinding).await;
    let children = place.children().await;
    let binding = children.iter().find(|(title, _)| title.starts_with("RoleBinding ")).expect("a binding").1;
    assert_eq!(binding["roleRef"]["name"], format!("{ROLES}-pods"));
    assert_eq!(binding["subjects"][0]["name"], "demo-prometheus");
    place.reason("Degraded", "AsExpected").await;
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn its_prometheus_is_upgraded_before_it_is_removed() {
    let place = installed().await;
    let operator = place.operator();
    place.apply(json!({})).await.expect("taken");
    within(INSTALLED, "its end", async || newest(&place, "demo-prometheus").await.is_none().then_some(())).await;
    for kind in [Kind::Role, Kind::RoleBinding, Kind::StatefulSet, Kind::ServiceAccount] {
        assert!(place.get(kind, "demo-prometheus").await.is_none(), "{}", kind.name());
    }
    let calls = eventually("both calls", async || Some(calls(&operator)).filter(|calls| calls.contains("uninstall"))).await;
    assert!(calls.contains(r#"outcome="ok",verb="upgrade"} 1"#) && !calls.contains("error"), "{calls}");
    operator.stop().await;
}
