//! Processes that tests start, the operator among them.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::harness::{Place, ROLES, charts, kubeconfig};

/// Names another build of the operator than the tests' own, such as the one that is shipped.
const OPERATOR: &str = "USER_INFO_TEST_OPERATOR";

/// The command that runs the operator for `place`, its metrics at the address `listen`.
pub(crate) fn operator(place: &Place, listen: &str) -> Command {
    let program = std::env::var_os(OPERATOR).map_or_else(|| env!("CARGO_BIN_EXE_user-info-operator").into(), PathBuf::from);
    let mut command = Command::new(program);
    command.args(["run", "--leader-election=false", "--log=off", "--listen", listen, "--namespace", &place.namespace]);
    command.arg("--kubeconfig").arg(kubeconfig()).arg("--charts").arg(charts()).args(["--cluster-roles", ROLES]);
    command
}

/// A running process, killed when it goes out of scope.
pub(crate) struct Process(Child);

impl Process {
    /// Starts `command`, without input or output.
    pub(crate) fn start(command: &mut Command) -> Self {
        let command = command.stdin(Stdio::null()).stdout(Stdio::null());
        Self(command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}")))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Kills it with -9.
    pub(crate) fn kill(&mut self) {
        self.0.kill().and_then(|()| self.0.wait()).expect("the child is ours");
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.0.wait().expect("the child is ours")
    }

    /// A value of its memory from /proc, in KiB.
    pub(crate) fn memory(&self, field: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let line = status.lines().find(|line| line.starts_with(field)).expect("a field");
        line.split_whitespace().nth(1).and_then(|value| value.parse().ok()).expect("a number")
    }

    /// User and system time so far, in hundredths of a second.
    pub(crate) fn cpu(&self) -> u64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.id())).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(')').next().expect("fields").split_whitespace().collect();
        fields[11..=12].iter().map(|ticks| ticks.parse::<u64>().expect("a number")).sum()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}
