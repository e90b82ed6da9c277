//! The operator as a process of its own.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::harness::{Place, ROLES, charts, kubeconfig};

/// Names another build of the operator than the tests' own, such as the one that is shipped.
const OPERATOR: &str = "USER_INFO_TEST_OPERATOR";

/// The command that runs the operator for `place`, its metrics at the address `listen`; what it complains of is shown.
pub(crate) fn operator(place: &Place, listen: &str) -> Command {
    let program = std::env::var_os(OPERATOR).map_or_else(|| env!("CARGO_BIN_EXE_user-info-operator").into(), PathBuf::from);
    let mut command = Command::new(program);
    command.args(["run", "--leader-election=false", "--log=off", "--listen", listen, "--namespace", &place.namespace]);
    command.arg("--kubeconfig").arg(kubeconfig()).arg("--charts").arg(charts()).args(["--cluster-roles", ROLES]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}
