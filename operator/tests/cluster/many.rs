//! A thousand resources, and what they cost the operator. Alone on the machine, since time and memory are looked at.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::json;
use tokio::time::Instant;
use user_info_api::crd::UserInfoDeployment;

use crate::harness::{Place, charts, kubeconfig, stays, within};

/// Resources.
const COUNT: usize = 1000;
/// How long after the first resource was made all have to be applied.
const APPLIED: Duration = Duration::from_secs(180);
/// How long the cluster's own controllers may take to have their say after that.
const SETTLED: Duration = Duration::from_secs(180);
/// How long nothing is written then; `USER_INFO_TEST_QUIET_SECONDS` says otherwise.
const QUIET: Duration = Duration::from_secs(60);
/// Most memory that the operator may hold, in KiB.
const RESIDENT: u64 = 64 << 10;

/// The program, ended when it goes out of scope.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Program {
    /// A value of its memory from /proc, in KiB.
    fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with(field)).expect("a field");
        line.split_whitespace().nth(1).and_then(|value| value.parse().ok()).expect("a number")
    }

    /// User and system time so far, in hundredths of a second.
    fn cpu(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id())).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        fields[11..=12].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
    }
}

/// Writes by kind and verb that the program at `address` counts.
async fn writes(address: &str, kind: &str) -> u64 {
    let url = format!("http://{address}/metrics");
    let output = tokio::process::Command::new("curl").args(["-sSf", &url]).output().await.expect("curl");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines = text.lines().filter(|line| line.contains("writes_total{") && line.contains(kind));
    lines.map(|line| line.rsplit(' ').next().and_then(|count| count.parse::<u64>().ok()).expect("a count")).sum()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_thousand_resources_are_applied_in_three_minutes_and_then_left_alone() {
    let place = Place::new().await;
    let address = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").to_string();
    let program = Command::new(env!("CARGO_BIN_EXE_user-info-operator"))
        .args(["run", "--leader-election", "false", "--log", "warn", "--namespace", &place.namespace, "--listen", &address])
        .arg("--charts")
        .arg(charts())
        .env("KUBECONFIG", kubeconfig())
        .stdin(Stdio::null())
        .spawn()
        .expect("the program starts");
    let program = Program(program);
    within(Duration::from_secs(10), "metrics", async || std::net::TcpStream::connect(&address).ok().map(drop)).await;

    let begun = Instant::now();
    let resources = place.resources();
    let none = json!({"mode": "Disabled"});
    let spec = json!({"replicas": 1, "addons": {"consul": none, "prometheus": none, "grafana": none}});
    stream::iter(0..COUNT)
        .for_each_concurrent(8, |number| {
            let (resources, spec) = (&resources, &spec);
            async move {
                let mut resource: UserInfoDeployment = serde_json::from_value(json!({
                    "apiVersion": "userinfo.bbs.dev/v1alpha1", "kind": "UserInfoDeployment", "metadata": {}, "spec": spec,
                }))
                .expect("a resource");
                resource.metadata.name = Some(format!("demo-{number}"));
                resources.create(&PostParams::default(), &resource).await.expect("taken");
            }
        })
        .await;
    let made = begun.elapsed();
    within(APPLIED.saturating_sub(made), "status of all", async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        // Two of each, one for the instances and one for the client: a Deployment is the last to be applied.
        (writes(&address, "kind=\"Deployment\"").await >= 2 * COUNT as u64).then_some(())
    })
    .await;
    let applied = begun.elapsed();
    let quiet = std::env::var("USER_INFO_TEST_QUIET_SECONDS").map_or(QUIET, |s| Duration::from_secs(s.parse().expect("seconds")));
    let deployments: Api<Deployment> = Api::namespaced(place.client.clone(), &place.namespace);
    within(SETTLED, "a pod of each Deployment", async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let all = deployments.list(&ListParams::default()).await.expect("a list");
        all.iter().all(|one| one.status.as_ref().is_some_and(|status| status.unavailable_replicas == Some(1))).then_some(())
    })
    .await;
    let rest = within(SETTLED, "rest", async || {
        let before = writes(&address, "").await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        (writes(&address, "").await == before).then_some(before)
    })
    .await;
    let (settled, cpu) = (begun.elapsed(), program.cpu());
    stays(&rest, quiet, async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        writes(&address, "").await
    })
    .await;
    println!(
        "{COUNT} resources: made in {made:.0?}, applied after {applied:.0?}, at rest after {settled:.0?} and {rest} writes; CPU {:.1} s, then {:.2} s in {quiet:?}; \
         resident {} KiB, at most {} KiB",
        cpu as f64 / 100.0,
        (program.cpu() - cpu) as f64 / 100.0,
        program.memory("VmRSS"),
        program.memory("VmHWM"),
    );
    assert!(program.memory("VmHWM") < RESIDENT, "{} KiB", program.memory("VmHWM"));
}
