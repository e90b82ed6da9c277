//! Runs a program that ends with the process that started it, even if that is killed.

use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};

use crate::args::{EXIT_UNAVAILABLE, GuardArgs};

/// Becomes the program. Of a Helm that outlived the operator nobody would know whether it is still at work.
pub fn run(args: &GuardArgs) -> ExitCode {
    let fail = |error: &dyn std::fmt::Display| {
        eprintln!("user-info-operator: {error}");
        ExitCode::from(EXIT_UNAVAILABLE)
    };
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return fail(&error);
    }
    // The parent may have ended before that was asked for.
    if getppid().map(Pid::as_raw_pid) != Some(args.parent) {
        return fail(&"its parent is gone");
    }
    let mut words = args.command.iter();
    let Some(program) = words.next() else { return fail(&"nothing to run") };
    let error = Command::new(program).args(words).exec();
    fail(&format!("{}: {error}", program.display()))
}
