//! A thousand resources, and what they cost the operator. Alone on the machine, since time and memory are looked at.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::json;
use tokio::time::Instant;
use user_info_api::crd::UserInfoDeployment;
use user_info_testing::port::free_address;
use user_info_testing::process::{Process, processor, size};
use user_info_testing::wait::{stays, within};

use crate::harness::Place;
use crate::process::operator;

/// Resources; `USER_INFO_TEST_RESOURCES` says otherwise.
const COUNT: usize = 1000;
/// How long after the first resource was made all have to be applied; `USER_INFO_TEST_APPLIED_SECONDS` says otherwise, for a machine that others
/// use, too.
const APPLIED: Duration = Duration::from_secs(180);
/// How long the cluster's own controllers may take to have their say after that.
const SETTLED: Duration = Duration::from_secs(600);
/// Longer than the operator leaves a resource whose pods are missing unseen.
const LOOK: Duration = Duration::from_secs(25);
/// How long nothing is written then; `USER_INFO_TEST_QUIET_SECONDS` says otherwise.
const QUIET: Duration = Duration::from_secs(60);
/// Most memory that the operator may hold, in KiB.
const RESIDENT: u64 = 64 << 10;

/// The time that the environment names, or else `usual`.
fn seconds(name: &str, usual: Duration) -> Duration {
    std::env::var(name).map_or(usual, |text| Duration::from_secs(text.parse().expect("seconds")))
}

/// How many resources are made.
fn resources() -> usize {
    let asked = std::env::var("USER_INFO_TEST_RESOURCES").unwrap_or_default();
    if asked.is_empty() { COUNT } else { asked.parse().expect("a number") }
}

/// What the program at `address` has counted under a name that ends so, by its labels.
async fn counted(address: &str, name: &str) -> BTreeMap<String, u64> {
    let url = format!("http://{address}/metrics");
    let output = tokio::process::Command::new("curl").args(["-sSf", &url]).output().await.expect("curl");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines = text.lines().filter(|line| line.split_once('{').is_some_and(|(found, _)| found.ends_with(name)));
    let count = |line: &str| line.rsplit_once(' ').and_then(|(name, count)| Some((name.to_owned(), count.parse().ok()?)));
    lines.map(|line| count(line).expect("a count")).collect()
}

async fn writes(address: &str) -> BTreeMap<String, u64> {
    counted(address, "writes_total").await
}

/// Starts the operator, and waits until it shows its metrics at `address`.
async fn start(place: &Place, address: &str) -> Process {
    let program = Process::spawn(&mut operator(place, address));
    within(Duration::from_secs(10), "metrics", async || std::net::TcpStream::connect(address).ok().map(drop)).await;
    program
}

/// A size in the process' status, in KiB.
fn kib(program: &Process, field: &str) -> u64 {
    size(program.id(), field) / 1024
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_thousand_resources_are_applied_in_three_minutes_and_then_left_alone() {
    let count = resources();
    let place = Place::new().await;
    let address = free_address().to_string();
    let program = start(&place, &address).await;
    let begun = Instant::now();
    let resources = place.resources();
    let none = json!({"mode": "Disabled"});
    let spec = json!({"replicas": 1, "addons": {"consul": none, "prometheus": none, "grafana": none}});
    stream::iter(0..count)
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
    within(seconds("USER_INFO_TEST_APPLIED_SECONDS", APPLIED).saturating_sub(made), "status of all", async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        // Two of each, one for the instances and one for the client: a Deployment is the last to be applied.
        let writes = writes(&address).await;
        let deployments = writes.iter().filter(|(name, _)| name.contains("kind=\"Deployment\"")).map(|(_, writes)| writes).sum::<u64>();
        (deployments >= 2 * count as u64).then_some(())
    })
    .await;
    let applied = begun.elapsed();
    let quiet = seconds("USER_INFO_TEST_QUIET_SECONDS", QUIET);
    let deployments: Api<Deployment> = Api::namespaced(place.client.clone(), &place.namespace);
    within(SETTLED, "a pod of each Deployment", async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let all = deployments.list(&ListParams::default()).await.expect("a list");
        all.iter().all(|one| one.status.as_ref().is_some_and(|status| status.unavailable_replicas == Some(1))).then_some(())
    })
    .await;
    let rest = within(SETTLED, "rest", async || {
        let before = writes(&address).await;
        tokio::time::sleep(LOOK).await;
        (writes(&address).await == before).then_some(before)
    })
    .await;
    let (settled, cpu) = (begun.elapsed(), processor(program.id()));
    stays(&rest, quiet, async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        writes(&address).await
    })
    .await;
    println!(
        "{count} resources: made in {made:.0?}, applied after {applied:.0?}, at rest after {settled:.0?} and {} writes; CPU {:.1} s, then {:.2} s in {quiet:?}; \
         resident {} KiB ({} KiB of it its own), at most {} KiB",
        rest.values().sum::<u64>(),
        cpu as f64 / 100.0,
        (processor(program.id()) - cpu) as f64 / 100.0,
        kib(&program, "VmRSS"),
        kib(&program, "RssAnon"),
        kib(&program, "VmHWM"),
    );
    assert!(kib(&program, "VmHWM") < RESIDENT, "{} KiB", kib(&program, "VmHWM"));

    // Another one reads all of it at once. It applies everything once more, which changes nothing.
    let versions = async || {
        let (resources, deployments) = (resources.list(&ListParams::default()).await, deployments.list(&ListParams::default()).await);
        let resources = resources.expect("a list").items.into_iter().map(|one| one.metadata.resource_version);
        resources.chain(deployments.expect("a list").items.into_iter().map(|one| one.metadata.resource_version)).collect::<Vec<_>>()
    };
    let before = versions().await;
    drop(program);
    let (begun, program) = (Instant::now(), start(&place, &address).await);
    within(SETTLED, "a look at each", async || {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let reconciles = counted(&address, "reconciles_total").await.values().sum::<u64>();
        (reconciles >= count as u64).then_some(())
    })
    .await;
    let (looked, cpu) = (begun.elapsed(), processor(program.id()) as f64 / 100.0);
    println!("another one: looked at all after {looked:.0?}, CPU {cpu:.1} s, at most {} KiB", kib(&program, "VmHWM"));
    assert!(versions().await == before, "changed: {:?}", writes(&address).await);
    assert!(kib(&program, "VmHWM") < RESIDENT, "{} KiB", kib(&program, "VmHWM"));
}
