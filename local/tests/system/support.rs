//! Waiting, asking and small things.

use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};
use user_info_local::http::Http;

/// How long a condition may take to come true, on a machine that is slow and busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// Time between looks.
const LOOK: Duration = Duration::from_millis(10);

/// A program of the services, built beside `user-info-local`.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_user-info-local")).with_file_name(name);
    assert!(path.is_file(), "{} is not there: make build", path.display());
    path
}

/// Asks until the answer is `Ok`, and returns it.
///
/// # Panics
/// With the last error, if that takes too long.
pub(crate) async fn eventually<T, E: Debug>(what: &str, mut ask: impl AsyncFnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}; last seen: {error:?}"),
        }
        sleep(LOOK).await;
    }
}

/// `Ok` if `holds`, else what was seen.
pub(crate) fn check<T>(holds: bool, seen: T) -> Result<(), T> {
    if holds { Ok(()) } else { Err(seen) }
}

/// The text that `path` answers with at `address`, and its status. Asks again if nobody answers in time.
pub(crate) async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let http = Http::default();
    let (status, text) = eventually(&format!("{address}{path} answers"), async || http.get(address, path).await.ok_or("no answer")).await;
    (status.as_u16(), text)
}

/// The same as JSON.
pub(crate) async fn get_json(address: SocketAddr, path: &str) -> Value {
    let (_, text) = get(address, path).await;
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// Whether the process runs. One that ended and that nobody has waited for yet does not.
pub(crate) fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Waits until none of the processes runs.
pub(crate) async fn until_gone(pids: &[u32]) {
    let left = async || {
        let left: Vec<_> = pids.iter().filter(|pid| runs(**pid)).collect();
        check(left.is_empty(), format!("{left:?}"))
    };
    eventually("all processes are gone", left).await;
}

/// A resource with this spec.
pub(crate) fn resource(spec: &str) -> String {
    format!("apiVersion: userinfo.bbs.dev/v1alpha1\nkind: UserInfoDeployment\nmetadata: {{name: system}}\nspec:\n{spec}\n")
}
