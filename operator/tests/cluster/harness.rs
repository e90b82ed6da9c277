//! A namespace of its own for each test, and an operator in this process that looks after it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::ClusterRole;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{DynamicObject, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, Config, ResourceExt};
use prometheus::{Registry, TextEncoder};
use serde_json::Value;
use tokio::sync::{OnceCell, oneshot};
use tokio::task::JoinHandle;
use user_info_api::crd::{UserInfoDeployment, definition};
use user_info_operator::access::Access;
use user_info_operator::cluster::ClusterArgs;
use user_info_operator::controller::{self, ControllerSettings};
use user_info_operator::discovery;
use user_info_operator::helm::Helm;
use user_info_operator::helm::chart::Embedded;
use user_info_operator::helm::exec::Program;
use user_info_operator::helm::kubeconfig::Way;
use user_info_operator::kind::Kind;
use user_info_operator::metrics::Metrics;
use user_info_operator::names::{INSTANCE, MANAGED_BY, OPERATOR};
use user_info_operator::roles::Roles;
use user_info_testing::wait::eventually;

/// Names the kubeconfig of the cluster to test against.
const KUBECONFIG: &str = "USER_INFO_TEST_KUBECONFIG";
/// What the names of the `ClusterRole`s begin with that the operator's chart makes.
pub(crate) const ROLES: &str = "operator-test:user-info-operator";
/// How long anything may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A namespace, and a way to it.
pub(crate) struct Place {
    pub(crate) client: Client,
    pub(crate) namespace: String,
}

/// An operator that looks after one namespace.
pub(crate) struct Operator {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    registry: Registry,
}

/// The kubeconfig of the cluster.
pub(crate) fn kubeconfig() -> PathBuf {
    std::env::var(KUBECONFIG).unwrap_or_else(|_| panic!("{KUBECONFIG} names no kubeconfig; run `make test-cluster`")).into()
}

pub(crate) async fn config() -> Config {
    let args = ClusterArgs { kubeconfig: Some(kubeconfig()), context: None };
    args.find().await.expect("a kubeconfig").into_config()
}

/// Helm, which ends with this process, and the product's charts.
pub(crate) fn helm() -> Helm {
    let guard = [env!("CARGO_BIN_EXE_user-info-operator").into(), "guard".into(), std::process::id().to_string().into(), "--".into()];
    let way = Way::Kubeconfig(ClusterArgs { kubeconfig: Some(kubeconfig()), context: None });
    let program = Program { helm: "helm".into(), guard: guard.into(), way, work: std::env::temp_dir() };
    let charts = Embedded::read(&charts()).expect("charts");
    Helm { program, charts: Arc::new(charts), foreign: false, concurrency: 2, metrics_address: None }
}

/// The product's charts.
pub(crate) fn charts() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../charts")
}

impl Place {
    /// A new namespace in a cluster that knows the definition.
    pub(crate) async fn new() -> Self {
        static DEFINED: OnceCell<()> = OnceCell::const_new();
        let client = Client::try_from(config().await).expect("a client");
        DEFINED.get_or_init(|| define(client.clone())).await;
        let namespace = Namespace {
            metadata: kube::api::ObjectMeta { generate_name: Some("operator-test-".to_owned()), ..Default::default() },
            ..Namespace::default()
        };
        let made = Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await.expect("a namespace");
        Self { client, namespace: made.name_any() }
    }

    /// Starts an operator that speaks to the API server through `client`.
    pub(crate) fn operator_with(&self, client: Client) -> Operator {
        self.operator_of(client, helm())
    }

    /// Starts an operator that speaks to the API server through `client`, and calls this Helm.
    pub(crate) fn operator_of(&self, client: Client, helm: Helm) -> Operator {
        self.operator_as(client, Roles::Cluster(ROLES.to_owned()), helm)
    }

    /// The same, with roles of its own.
    pub(crate) fn operator_as(&self, client: Client, roles: Roles, helm: Helm) -> Operator {
        let (stop, stopped) = oneshot::channel();
        let registry = Registry::new();
        let metrics = Arc::new(Metrics::new(&registry).expect("metrics"));
        let settings = ControllerSettings {
            namespaces: vec![self.namespace.clone()],
            concurrency: 4,
            debounce: Duration::from_millis(20),
            access: Access::Proxy,
            identity: "test".to_owned(),
            roles,
            helm,
        };
        let task = tokio::spawn(controller::run(client, metrics, settings, async { drop(stopped.await) }));
        Operator { stop, task, registry }
    }

    pub(crate) fn operator(&self) -> Operator {
        self.operator_with(self.client.clone())
    }

    pub(crate) fn resources(&self) -> Api<UserInfoDeployment> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub(crate) fn api(&self, kind: Kind) -> Api<DynamicObject> {
        kind.api(&self.client, &self.namespace)
    }

    /// Applies a resource named `demo` with this spec, as a person would. Without `addons` it has none: no pod of theirs gets ready here.
    pub(crate) async fn apply(&self, mut spec: Value) -> Result<UserInfoDeployment, kube::Error> {
        let none = serde_json::json!({"mode": "Disabled"});
        let addons = spec.as_object_mut().expect("a spec").entry("addons").or_insert_with(|| serde_json::json!({}));
        for addon in ["consul", "prometheus", "grafana"] {
            addons.as_object_mut().expect("addons").entry(addon).or_insert_with(|| none.clone());
        }
        let resource = serde_json::json!({
            "apiVersion": "userinfo.bbs.dev/v1alpha1", "kind": "UserInfoDeployment", "metadata": {"name": "demo"}, "spec": spec,
        });
        self.resources().patch("demo", &PatchParams::apply("test").force(), &Patch::Apply(&resource)).await
    }

    pub(crate) async fn merge(&self, kind: Kind, name: &str, patch: Value) {
        self.api(kind).patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await.expect("patched");
    }

    pub(crate) async fn get(&self, kind: Kind, name: &str) -> Option<Value> {
        let object = self.api(kind).get_opt(name).await.expect("an answer")?;
        Some(serde_json::to_value(object).expect("JSON"))
    }

    /// All children of `demo`, as `Kind name`, with their metadata's and data's JSON.
    pub(crate) async fn children(&self) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        let labels = format!("{MANAGED_BY}={OPERATOR},{INSTANCE}=demo");
        for kind in Kind::OWN.into_iter().filter(|kind| *kind != Kind::ServiceMonitor) {
            for object in self.api(kind).list(&ListParams::default().labels(&labels)).await.expect("a list") {
                let title = format!("{} {}", kind.name(), object.name_any());
                all.insert(title, serde_json::to_value(object).expect("JSON"));
            }
        }
        all
    }

    /// Status, reason and message of a condition of `demo`.
    pub(crate) async fn condition(&self, kind: &str) -> Option<(String, String, String)> {
        let status = self.resources().get("demo").await.expect("a resource").status?;
        let condition = status.conditions.into_iter().find(|condition| condition.type_ == kind)?;
        Some((condition.status, condition.reason, condition.message))
    }

    /// Waits until a condition of `demo` has this reason.
    pub(crate) async fn reason(&self, kind: &str, reason: &str) {
        eventually(&format!("{kind} with reason {reason}"), async || self.condition(kind).await.filter(|found| found.1 == reason)).await;
    }

    /// Waits until the status speaks of the newest spec and the children stand.
    pub(crate) async fn settled(&self) {
        eventually("a status of the newest generation", async || {
            let demo = self.resources().get("demo").await.expect("a resource");
            demo.status.filter(|status| Some(status.observed_generation) == demo.metadata.generation)
        })
        .await;
    }
}

impl Operator {
    /// All metrics, as Prometheus reads them.
    pub(crate) fn metrics(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).expect("text")
    }

    /// The value of a metric, named as it stands in the text; none if it is not there.
    pub(crate) fn metric(&self, name: &str) -> Option<u64> {
        self.metrics().lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }

    /// Ends it as SIGTERM does.
    pub(crate) async fn stop(self) {
        let _ = self.stop.send(());
        tokio::time::timeout(LIMIT, self.task).await.expect("ends").expect("ends well");
    }

    /// Ends it as SIGKILL does.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

async fn define(client: Client) {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let crd = definition();
    crds.patch(&crd.name_any(), &PatchParams::apply("test").force(), &Patch::Apply(&crd)).await.expect("defined");
    discovery::wait_for(&client, "userinfo.bbs.dev/v1alpha1", "UserInfoDeployment", |_| {}).await;
    let roles: Api<ClusterRole> = Api::all(client);
    for role in rendered("role-charts.yaml", &["--namespace=operator-test"]) {
        let name = role["metadata"]["name"].as_str().expect("a name").to_owned();
        roles.patch(&name, &PatchParams::apply("test").force(), &Patch::Apply(&role)).await.expect("made");
    }
}

/// The objects of a template of the operator's chart.
pub(crate) fn rendered(template: &str, options: &[&str]) -> Vec<Value> {
    let mut command = std::process::Command::new("helm");
    command.args(["template", "user-info-operator"]).arg(charts().join("user-info-operator"));
    let made = command.arg(format!("--show-only=templates/{template}")).args(options).output().expect("helm");
    assert!(made.status.success(), "{made:?}");
    let text = String::from_utf8(made.stdout).expect("UTF-8");
    let objects = text.split("\n---\n").map(|part| serde_yaml::from_str::<Value>(part.trim_start_matches("---\n")).expect("YAML"));
    objects.filter(Value::is_object).collect()
}
