//! Charts from a real registry of OCI artifacts, which asks who one is and speaks TLS.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use tempfile::TempDir;
use user_info_testing::port::free_port;
use user_info_testing::process::Process;
use user_info_testing::wait::within;

use crate::harness::{Place, charts, helm};
use crate::process::operator;
use crate::releases::{INSTALLED, deployed, newest};

/// How long the registry may take to listen.
const START: Duration = Duration::from_secs(30);
/// The user `me` with the password `hidden`.
const USERS: &str = "me:$2b$05$abcdefghijklmnopqrstuu4BcS2/37KDukaKm7SMr8Dt17UhqpC0G\n";

/// A registry on this machine.
struct Registry {
    _process: Process,
    folder: TempDir,
    port: u16,
}

impl Registry {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name);
        let mut openssl = Command::new("openssl");
        openssl.args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=registry",
        ]);
        openssl.args(["-addext", "subjectAltName=IP:127.0.0.1", "-keyout"]).arg(path("key")).arg("-out").arg(path("certificate"));
        run(&mut openssl);
        std::fs::write(path("users"), USERS).expect("written");
        let port = free_port();
        let config = json!({
            "version": 0.1,
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": path("storage")}},
            "http": {"addr": format!("127.0.0.1:{port}"), "tls": {"certificate": path("certificate"), "key": path("key")}},
            "auth": {"htpasswd": {"realm": "test", "path": path("users")}},
        });
        std::fs::write(path("config.yaml"), config.to_string()).expect("written");
        let mut program = Command::new("registry");
        program.arg("serve").arg(path("config.yaml"));
        // `hack/cluster/tool registry` builds it.
        let registry = Self { _process: Process::start(&mut program), folder, port };
        within(START, "the registry", async || std::net::TcpStream::connect(("127.0.0.1", port)).ok()).await;
        registry
    }

    /// Whom Helm has to trust.
    fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate")
    }

    fn url(&self) -> String {
        format!("oci://127.0.0.1:{}/charts", self.port)
    }

    /// Puts Redis' chart there.
    fn push(&self) {
        let helm = || {
            let mut command = Command::new(helm().program.helm);
            command.env("SSL_CERT_FILE", self.certificate());
            command
        };
        run(helm().arg("package").arg(charts().join("redis")).arg("--destination").arg(self.folder.path()));
        let chart = self.folder.path().join("redis-0.1.0.tgz");
        run(helm().arg("push").arg(chart).arg(self.url()).args(["--username=me", "--password=hidden"]));
    }
}

fn run(command: &mut Command) {
    let done = command.output().expect("started");
    assert!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn a_chart_comes_from_a_registry_that_asks_who_one_is() {
    let place = Place::new().await;
    let registry = Registry::start().await;
    registry.push();
    let secrets: Api<Secret> = Api::namespaced(place.client.clone(), &place.namespace);
    let who = json!({"metadata": {"name": "who"}, "stringData": {"username": "me", "password": "wrong"}});
    secrets.create(&PostParams::default(), &serde_json::from_value(who).expect("a Secret")).await.expect("made");
    let _operator =
        Process::spawn(operator(&place, "127.0.0.1:0").arg("--foreign-charts=true").env("SSL_CERT_FILE", registry.certificate()));
    let from = |chart: &str, version: &str, secret: Option<&str>| {
        let mut chart = json!({"source": "OCI", "url": format!("{}/{chart}", registry.url()), "version": version});
        if let Some(name) = secret {
            chart["secretRef"] = json!({"name": name});
        }
        json!({"data": {"redis": {"mode": "Managed", "chart": chart}}})
    };
    let says = async |reason: &str, part: &str| {
        let fits = |found: &(String, String, String)| found.1 == reason && found.2.contains(part);
        within(INSTALLED, &format!("{reason}: {part}"), async || place.condition("Degraded").await.filter(fits)).await;
    };
    place.apply(from("redis", "0.1.0", None)).await.expect("taken");
    says("RepositoryRefused", "credential not found").await;
    place.apply(from("redis", "0.1.0", Some("nobody"))).await.expect("taken");
    says("SecretMissing", "Secret nobody does not exist").await;
    place.apply(from("redis", "0.1.0", Some("who"))).await.expect("taken");
    says("RepositoryRefused", "401").await;
    let right = Patch::Merge(json!({"stringData": {"password": "hidden"}}));
    secrets.patch("who", &PatchParams::default(), &right).await.expect("patched");
    deployed(&place, "demo-redis", 1).await;
    says("AsExpected", "").await;
    place.apply(from("nothing", "0.1.0", Some("who"))).await.expect("taken");
    says("ChartNotFound", "charts/nothing:0.1.0: not found").await;
    // What is there goes on as it is.
    assert_eq!(newest(&place, "demo-redis").await, Some((1, "deployed".to_owned())));
}
