//! Calls the program `helm`.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::watch;

use super::command::Call;
use super::complaint::Complaint;
use super::kubeconfig::{Way, may};
use crate::reason::Reason;

/// What Helm may write before the rest is thrown away, in bytes.
const OUTPUT: u64 = 64 << 10;
/// Name of the file in the home of a call that says which cluster, and who Helm is there.
const KUBECONFIG: &str = "kubeconfig";
/// How long Helm may take to end when it is told to: it notes in the release that it was interrupted.
const TO_END: Duration = Duration::from_secs(10);
/// What of the operator's environment Helm gets to see: the way to the outside. The way to the cluster is a file made for the call; that the
/// process is in a pod is hidden, so that Helm never takes the operator's own account.
const ENVIRONMENT: [&str; 11] = [
    "HOME",
    "PATH",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "GOMEMLIMIT",
];

/// The program, and the cluster it works on.
#[derive(Debug, Clone)]
pub struct Program {
    /// Path of `helm`.
    pub helm: PathBuf,
    /// What ends Helm when this process ends, and the arguments for that: put before Helm's own path. Empty, nothing does.
    pub guard: Vec<OsString>,
    /// The way to the cluster.
    pub way: Way,
    /// Folder for what Helm keeps while it runs.
    pub work: PathBuf,
}

/// How a call ended that did not end well.
#[derive(Debug)]
pub enum Failure {
    /// Helm, or what is around it, says why.
    Complaint(Complaint),
    /// It was told to stop.
    Stopped,
}

impl From<Complaint> for Failure {
    fn from(complaint: Complaint) -> Self {
        Self::Complaint(complaint)
    }
}

impl Program {
    /// Makes `calls` one after the other as the account of `namespace`, until one fails, all of them take longer than `limit`, or `stop`
    /// says true.
    ///
    /// They share a home of their own, which is removed in the end.
    ///
    /// # Errors
    /// What went wrong with the one that failed.
    pub async fn run(&self, namespace: &str, calls: Vec<Call>, limit: Duration, stop: &mut watch::Receiver<bool>) -> Result<(), Failure> {
        let broken = |error: io::Error| Complaint { reason: Reason::HelmBroken, message: format!("{}: {error}", self.work.display()) };
        std::fs::create_dir_all(&self.work).map_err(broken)?;
        let home = tempfile::Builder::new().prefix("helm-").tempdir_in(&self.work).map_err(broken)?;
        let kubeconfig =
            self.way.kubeconfig(namespace).map_err(|error| Complaint { reason: Reason::HelmBroken, message: error.to_string() })?;
        write_private(&home.path().join(KUBECONFIG), kubeconfig.as_bytes()).map_err(broken)?;
        let deadline = tokio::time::Instant::now() + limit;
        for call in calls {
            let child = self.start(&call, home.path()).map_err(|error| Complaint {
                reason: Reason::HelmBroken,
                message: format!("{} cannot be run: {error}", self.helm.display()),
            })?;
            let outcome = self.watch(child, call.input, deadline, limit, stop).await;
            outcome.map_err(|failure| explained(failure, namespace))?;
        }
        Ok(())
    }

    fn start(&self, call: &Call, home: &Path) -> io::Result<Child> {
        let mut words = self.guard.iter().cloned().chain([self.helm.clone().into_os_string()]);
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words).args(&call.arguments);
        command.env_clear().envs(ENVIRONMENT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        for (name, folder) in [("HELM_CACHE_HOME", "cache"), ("HELM_CONFIG_HOME", "config"), ("HELM_DATA_HOME", "data")] {
            command.env(name, home.join(folder));
        }
        command.env("KUBECONFIG", home.join(KUBECONFIG));
        // A group of its own: what is told to Helm is told to what it starts, too, and a Ctrl-C in a terminal is not told twice.
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).process_group(0).spawn()
    }

    async fn watch(
        &self,
        mut child: Child,
        input: Vec<u8>,
        deadline: tokio::time::Instant,
        limit: Duration,
        stop: &mut watch::Receiver<bool>,
    ) -> Result<(), Failure> {
        let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
        let ended = async {
            let write = async {
                if let Some(mut stdin) = stdin {
                    // Helm may end without having read it; then it says why.
                    let _ = stdin.write_all(&input).await;
                }
            };
            let ((), said) = tokio::join!(write, heard(stderr));
            (child.wait().await, said)
        };
        tokio::pin!(ended);
        let why = tokio::select! {
            (status, said) = &mut ended => return match status {
                Ok(status) if status.success() => {
                    warned(&said);
                    Ok(())
                }
                Ok(_) => Err(Complaint::of_helm(&said).into()),
                Err(error) => Err(Complaint { reason: Reason::HelmBroken, message: error.to_string() }.into()),
            },
            () = tokio::time::sleep_until(deadline) => {
                let message = format!("Helm took longer than {} s; timeout sets how long it may take", limit.as_secs());
                Failure::Complaint(Complaint { reason: Reason::HelmTimeout, message })
            }
            _ = stop.wait_for(|stop| *stop) => Failure::Stopped,
        };
        for signal in [Signal::TERM, Signal::KILL] {
            if let Some(group) = group {
                let _ = kill_process_group(group, signal);
            }
            if tokio::time::timeout(TO_END, &mut ended).await.is_ok() {
                break;
            }
        }
        Err(why)
    }
}

/// Logs what Helm warns of although it ends well, such as an object that it leaves behind since the account may not look at it.
fn warned(said: &str) {
    for line in said.lines().filter(|line| line.contains("level=WARN")) {
        tracing::warn!(line, "helm warns");
    }
}

/// Says of a right that is missing how to find out what the account may do.
fn explained(failure: Failure, namespace: &str) -> Failure {
    match failure {
        Failure::Complaint(Complaint { reason: reason @ Reason::Forbidden, message }) => {
            Failure::Complaint(Complaint { reason, message: format!("{message}; {}", may(namespace)) })
        }
        other => other,
    }
}

/// Writes a new file that nobody else may read.
fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(content)
}

/// The first part of what is written to a pipe; the rest is read, so that the writer does not hang, and thrown away.
async fn heard(pipe: Option<impl AsyncReadExt + Unpin>) -> String {
    let Some(mut pipe) = pipe else { return String::new() };
    let mut text = Vec::new();
    let _ = (&mut pipe).take(OUTPUT).read_to_end(&mut text).await;
    let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
mod tests;
