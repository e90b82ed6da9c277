use std::io::Cursor;

use clap::Parser;

use super::*;
use crate::args::{Args, Command};

const GOOD: &str = "apiVersion: userinfo.bbs.dev/v1alpha1\nkind: UserInfoDeployment\nmetadata: {name: demo}\nspec: {}\n";

/// Exit status and output of `user-info-operator check ARGS`, with `input` as standard input.
fn check(args: &[&str], input: &str) -> (ExitCode, String) {
    let args = ["user-info-operator", "check"].iter().chain(args);
    let Command::Check(args) = Args::try_parse_from(args).expect("valid arguments").command else { panic!("not check") };
    let mut out = Vec::new();
    let status = run(&args, &mut Cursor::new(input), &mut out);
    (status, String::from_utf8(out).expect("UTF-8"))
}

#[test]
fn a_manifest_that_can_be_used_is_told_so() {
    assert_eq!(check(&["-"], GOOD), (ExitCode::SUCCESS, "<stdin>: ok\n".to_owned()));
}

#[test]
fn problems_are_told_one_a_line_and_by_exit_status_64() {
    let bad = GOOD.replace("{}", "{replica: 2}");
    assert_eq!(check(&["-"], &bad), (ExitCode::from(64), "<stdin>:4: spec.replica: is no field; did you mean replicas?\n".to_owned()));
}

#[test]
fn what_only_the_services_know_to_be_wrong_is_told_with_its_line() {
    let bad = GOOD.replace("spec: {}", "spec:\n  addons:\n    consul:\n      values: {port: 0}");
    let said = "<stdin>:7: spec.addons.consul.values: \"demo-consul:0\" is not host:port, such as 127.0.0.1:8500; \
                port 0 is out of range, allowed is 1 to 65535\n";
    assert_eq!(check(&["-"], &bad), (ExitCode::from(64), said.to_owned()));
}

#[test]
fn programs_get_json() {
    let bad = GOOD.replace("{}", "{replicas: -1}");
    let (status, out) = check(&["--output", "json", "-"], &bad);
    assert_eq!(status, ExitCode::from(64));
    assert_eq!(
        serde_json::from_str::<Value>(&out).expect("JSON"),
        json!([{"file": "<stdin>", "problems": [
            {"line": 4, "field": "spec.replicas", "message": "-1 is out of range; allowed is 0 to 1000"}
        ]}])
    );
}

#[test]
fn a_file_that_cannot_be_read_does_not_hide_the_others() {
    let (status, out) = check(&["no/such/file.yaml", "-"], GOOD);
    assert_eq!(status, ExitCode::from(64));
    assert!(out.starts_with("no/such/file.yaml: cannot be read: ") && out.ends_with("<stdin>: ok\n"), "{out}");
}
