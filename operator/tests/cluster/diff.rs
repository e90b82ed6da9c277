//! `check --diff` against a cluster in which the operator works.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Place, kubeconfig};
use crate::ownership::make;
use crate::releases::{deployed, up};
use user_info_operator::kind::Kind;
use user_info_testing::wait::eventually;

/// What `check --diff` says of a resource named `demo` with this spec, without the file's name.
fn diff(place: &Place, spec: &Value) -> Vec<String> {
    let file = tempfile::NamedTempFile::with_suffix(".yaml").expect("a file");
    let resource =
        json!({"apiVersion": "userinfo.bbs.dev/v1alpha1", "kind": "UserInfoDeployment", "metadata": {"name": "demo"}, "spec": spec});
    std::fs::write(&file, resource.to_string()).expect("written");
    let mut command = Command::new(env!("CARGO_BIN_EXE_user-info-operator"));
    command.args(["check", "--quiet", "--diff", "--namespace", &place.namespace]).arg("--kubeconfig").arg(kubeconfig()).arg(file.path());
    let done = command.output().expect("started");
    assert!(done.status.success(), "{done:?}");
    let prefix = format!("{}: ", file.path().display());
    String::from_utf8(done.stdout).expect("UTF-8").lines().map(|line| line.trim_start_matches(&prefix).to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn releases_that_would_change_are_told_before_they_do() {
    let place = Place::new().await;
    let managed = json!({"mode": "Managed"});
    let disabled = json!({"mode": "Disabled"});
    let mut spec = json!({
        "data": {"redis": {"mode": "Managed", "values": {"maxMemory": "64mb"}}},
        "addons": {"consul": disabled, "prometheus": managed, "grafana": managed},
    });
    let before = diff(&place, &spec);
    for release in ["demo-redis", "demo-prometheus", "demo-grafana"] {
        assert!(before.contains(&format!("would install Helm release {release}")), "{before:?}");
    }
    let operator = place.operator();
    place.apply(spec.clone()).await.expect("taken");
    for release in ["demo-redis", "demo-prometheus", "demo-grafana"] {
        deployed(&place, release, 1).await;
    }
    up(&place, "demo-redis").await;
    eventually("the services", async || place.get(Kind::Deployment, "demo-user-client").await).await;
    place.settled().await;
    eventually("nothing to change", async || (diff(&place, &spec) == ["nothing would change"]).then_some(())).await;

    spec["data"] = json!({"mysql": managed, "redis": {"mode": "Managed", "values": {"maxMemory": "65mb"}}});
    spec["addons"]["prometheus"] = disabled;
    let after = diff(&place, &spec);
    for line in [
        "would install Helm release demo-mysql",
        "would upgrade Helm release demo-redis: values.maxMemory",
        "would remove Helm release demo-prometheus",
    ] {
        assert!(after.iter().any(|found| found == line), "{line} is not in {after:?}");
    }
    operator.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn objects_of_others_that_stand_in_the_way_are_told_before() {
    let place = Place::new().await;
    make(&place, Kind::ConfigMap, "demo-user-info", json!({})).await;
    let disabled = json!({"mode": "Disabled"});
    let spec = json!({"addons": {"consul": disabled, "prometheus": disabled, "grafana": disabled}});
    let lines = diff(&place, &spec);
    let told = |line: &String| line.starts_with("would not be carried out: someone else's: ConfigMap demo-user-info");
    assert!(lines.iter().any(told), "{lines:?}");
    assert!(lines.contains(&"would create Service demo-user-info".to_owned()), "{lines:?}");
}
