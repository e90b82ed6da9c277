//! What Helm is called with: pure functions.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use super::chart::{Chart, Credentials};
use super::desired::Desired;
use crate::names::{DIGEST, OWNER};

/// Revisions of a release that are kept.
const HISTORY: &str = "3";
/// How releases are upgraded.
const UPGRADE: [&str; 5] = ["--server-side=true", "--force-conflicts", "--disable-openapi-validation", "--wait=hookOnly", "--skip-crds"];
/// Name under which a repository is known to a call of Helm that asks it by name.
const REPOSITORY: &str = "addon";

/// What is done with a release: its name in metrics and in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    /// It is installed.
    Install,
    /// It is upgraded.
    Upgrade,
    /// Its objects are put back as a revision left them.
    Repair,
    /// It is removed.
    Uninstall,
}

impl Verb {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Upgrade => "upgrade",
            Self::Repair => "repair",
            Self::Uninstall => "uninstall",
        }
    }
}

/// One call of Helm.
#[derive(Clone, PartialEq, Eq)]
pub struct Call {
    /// The arguments, without those that say which cluster.
    pub arguments: Vec<OsString>,
    /// What it reads from its standard input: values and passwords, which stand in no argument and in no file.
    pub input: Vec<u8>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("arguments", &self.arguments).finish_non_exhaustive()
    }
}

fn call(arguments: impl IntoIterator<Item = impl Into<OsString>>, input: &[u8]) -> Call {
    Call { arguments: arguments.into_iter().map(Into::into).collect(), input: input.to_vec() }
}

/// Installs or upgrades the release of the resource `owner`; where the chart's place asks for it, after saying who asks.
///
/// Fields are owned by server-side apply, so that what someone else changed is changed back instead of being a conflict. Whether pods get
/// ready is watched by the operator; Helm only waits for hooks.
pub fn upgrade(owner: &str, namespace: &str, desired: &Desired) -> Vec<Call> {
    let release = desired.addon.release(owner);
    let mut calls = Vec::new();
    let (chart, version): (OsString, _) = match &desired.chart {
        Chart::Embedded { path, .. } => (path.into(), None),
        Chart::Repository { url, name, version, credentials } => {
            calls.push(add(url, credentials.as_ref()));
            (format!("{REPOSITORY}/{name}").into(), version.as_ref())
        }
        Chart::Oci { url, version, credentials } => {
            calls.extend(credentials.as_ref().map(|credentials| login(url, credentials)));
            (url.into(), version.as_ref())
        }
    };
    let mut arguments: Vec<OsString> = vec!["upgrade".into(), "--install".into(), release.into(), chart];
    let timeout = seconds(desired.timeout);
    let labels = format!("{OWNER}={owner},{DIGEST}={}", desired.digest);
    arguments.push("--values=-".into());
    arguments.extend(UPGRADE.map(Into::into));
    arguments.extend([
        format!("--namespace={namespace}").into(),
        format!("--labels={labels}").into(),
        format!("--history-max={HISTORY}").into(),
        format!("--timeout={timeout}").into(),
    ]);
    if let Some(version) = version {
        arguments.push(format!("--version={version}").into());
    }
    // Whatever stands on the standard input has to be YAML, of which JSON is a part.
    calls.push(call(arguments, desired.values.to_string().as_bytes()));
    calls
}

/// Puts the objects of a release back as its newest revision left them. That is a revision of its own, with the same labels.
pub fn repair(release: &str, namespace: &str, revision: u32, timeout: Duration) -> Vec<Call> {
    let arguments = [
        "rollback".to_owned(),
        release.to_owned(),
        revision.to_string(),
        format!("--namespace={namespace}"),
        "--server-side=true".to_owned(),
        "--force-conflicts".to_owned(),
        "--wait=hookOnly".to_owned(),
        format!("--history-max={HISTORY}"),
        format!("--timeout={}", seconds(timeout)),
    ];
    vec![call(arguments, b"")]
}

/// Upgrades a release to the chart in a folder with the values that it has.
pub fn renew(release: &str, namespace: &str, chart: &Path, timeout: Duration) -> Vec<Call> {
    let mut arguments: Vec<OsString> = vec!["upgrade".into(), release.into(), chart.into(), "--reset-then-reuse-values".into()];
    arguments.extend(UPGRADE.map(Into::into));
    arguments.extend([
        format!("--namespace={namespace}").into(),
        format!("--history-max={HISTORY}").into(),
        format!("--timeout={}", seconds(timeout)).into(),
    ]);
    vec![call(arguments, b"")]
}

/// Removes a release. Without hooks, what a chart wants to have done before is left out, for a release whose hooks fail.
///
/// One that is gone meanwhile is an error: with `--ignore-not-found` Helm ends well also where it may not look.
pub fn uninstall(release: &str, namespace: &str, timeout: Duration, hooks: bool) -> Vec<Call> {
    let mut arguments = vec![
        "uninstall".to_owned(),
        release.to_owned(),
        format!("--namespace={namespace}"),
        "--wait=hookOnly".to_owned(),
        format!("--timeout={}", seconds(timeout)),
    ];
    if !hooks {
        arguments.push("--no-hooks".to_owned());
    }
    vec![call(arguments, b"")]
}

fn add(url: &str, credentials: Option<&Credentials>) -> Call {
    let arguments = ["repo", "add", REPOSITORY, url].map(str::to_owned);
    match credentials {
        None => call(arguments, b""),
        Some(Credentials { username, password }) => {
            let who = [format!("--username={username}"), "--password-stdin".to_owned()];
            call(arguments.into_iter().chain(who), password.as_bytes())
        }
    }
}

fn login(url: &str, credentials: &Credentials) -> Call {
    let host = url.trim_start_matches("oci://").split('/').next().unwrap_or_default();
    let username = format!("--username={}", credentials.username);
    call(["registry", "login", host, &username, "--password-stdin"], credentials.password.as_bytes())
}

fn seconds(span: Duration) -> String {
    format!("{}s", span.as_secs().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addons::Addon;
    use serde_json::json;

    fn lines(calls: &[Call]) -> Vec<String> {
        let line = |call: &Call| call.arguments.iter().map(|argument| argument.to_string_lossy()).collect::<Vec<_>>().join(" ");
        calls.iter().map(line).collect()
    }

    fn desired(chart: Chart) -> Desired {
        Desired { digest: "d".to_owned(), ..Desired::new(Addon::Consul, chart, json!({"password": "hidden"}), Duration::from_secs(60)) }
    }

    fn me() -> Option<Credentials> {
        Some(Credentials { username: "me".to_owned(), password: "hidden".to_owned() })
    }

    const REST: &str = "--values=- --server-side=true --force-conflicts --disable-openapi-validation --wait=hookOnly --skip-crds \
                        --namespace=ns --labels=userinfo.bbs.dev/owner=demo,userinfo.bbs.dev/digest=d --history-max=3 --timeout=60s";

    #[test]
    fn an_embedded_chart_takes_one_call() {
        let calls = upgrade("demo", "ns", &desired(Chart::Embedded { path: "charts/consul".into(), digest: String::new() }));
        assert_eq!(lines(&calls), [format!("upgrade --install demo-consul charts/consul {REST}")]);
        assert_eq!(calls[0].input, br#"{"password":"hidden"}"#);
    }

    #[test]
    fn a_repository_is_asked_by_name_and_password() {
        let (url, name, version) = ("https://r/charts".to_owned(), "consul".to_owned(), Some("1.2".to_owned()));
        let calls = upgrade("demo", "ns", &desired(Chart::Repository { url, name, version, credentials: me() }));
        let expected = [
            "repo add addon https://r/charts --username=me --password-stdin".to_owned(),
            format!("upgrade --install demo-consul addon/consul {REST} --version=1.2"),
        ];
        assert_eq!(lines(&calls), expected);
        assert_eq!(calls[0].input, b"hidden");
    }

    #[test]
    fn a_registry_is_asked_after_a_login() {
        let url = "oci://r.example.com:5000/charts/consul".to_owned();
        let with = |credentials| upgrade("demo", "ns", &desired(Chart::Oci { url: url.clone(), version: None, credentials }));
        let expected = [
            "registry login r.example.com:5000 --username=me --password-stdin".to_owned(),
            format!("upgrade --install demo-consul {url} {REST}"),
        ];
        assert_eq!(lines(&with(me())), expected);
        assert_eq!(with(None).len(), 1);
    }

    #[test]
    fn no_secret_stands_in_an_argument_or_in_the_log() {
        let url = "https://r".to_owned();
        let calls = upgrade("demo", "ns", &desired(Chart::Repository { url, name: "c".to_owned(), version: None, credentials: me() }));
        assert!(!format!("{calls:?}").contains("hidden"), "{calls:?}");
    }

    #[test]
    fn removal_and_repair() {
        let removed = lines(&uninstall("demo-redis", "ns", Duration::from_secs(60), false));
        assert_eq!(removed, ["uninstall demo-redis --namespace=ns --wait=hookOnly --timeout=60s --no-hooks"]);
        let renewed = lines(&renew("demo-prometheus", "ns", Path::new("charts/prometheus"), Duration::from_secs(60)));
        assert!(
            renewed[0].starts_with("upgrade demo-prometheus charts/prometheus --reset-then-reuse-values --server-side=true "),
            "{renewed:?}"
        );
        let repaired = lines(&repair("demo-redis", "ns", 4, Duration::from_millis(10)));
        assert!(repaired[0].starts_with("rollback demo-redis 4 --namespace=ns "), "{repaired:?}");
    }
}
