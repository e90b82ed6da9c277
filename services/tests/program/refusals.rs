//! Command lines and config files that cannot be used: one clear line, the documented exit code, and nothing half started.

use std::net::TcpListener;

use user_info_testing::config::IN_MEMORY;
use user_info_testing::port::free_address;
use user_info_testing::process::run;

const USER_INFO: &str = env!("CARGO_BIN_EXE_user_info");
const USER_CLIENT: &str = env!("CARGO_BIN_EXE_user_client");

/// Files, the program that reads them, and what is said of them.
const REFUSED: [(&str, &str, &str); 10] = [
    (USER_INFO, "live: {rateLimitr: {}}", "rateLimitr"),
    (USER_INFO, "server: {workers: many}", "server.workers: not a whole number from 0 to 65535"),
    (USER_INFO, "live: {rateLimiter: {burst: 0}}", "live.rateLimiter.burst: 0 is out of range; allowed is 1 to 10000000"),
    (
        USER_INFO,
        "server: {grpc: {listen: '127.0.0.1:7001'}, http: {listen: '127.0.0.1:7001'}}",
        "server.http.listen: port 7001 is also grpc.listen; give each listener its own",
    ),
    (USER_INFO, "server: {timeout: soon}", "server.timeout: "),
    (
        USER_INFO,
        "registry: {consul: {addresses: [nowhere]}}",
        "registry.consul.addresses: \"nowhere\" is not host:port, such as 127.0.0.1:8500",
    ),
    (USER_INFO, "server: {tls: {certFile: a.pem}}", "server.tls: missing field `keyFile`"),
    (USER_CLIENT, "live: {concurency: 3}", "concurency"),
    (USER_CLIENT, "discovery: {addresses: ['127.0.0.1:9001']}\nlive: {userIds: []}", "live.userIds: "),
    (USER_CLIENT, "{}", "discovery"),
];

#[tokio::test]
async fn a_config_file_that_cannot_be_used_is_refused_in_one_line() {
    let dir = tempfile::tempdir().expect("a folder");
    for (program, text, said) in REFUSED {
        let stores = if program == USER_INFO { IN_MEMORY } else { "" };
        std::fs::write(dir.path().join("bad.yaml"), format!("{stores}{text}\n")).expect("written");
        let (code, stdout, stderr) = run(program, &["--config", "bad.yaml"], dir.path()).await;
        println!("{}", stderr.trim_end());
        assert_eq!((code, stdout.as_str(), stderr.lines().count()), (Some(64), "", 1), "{text}: {stderr}");
        assert!(stderr.contains("bad.yaml: ") && stderr.contains(said), "{text}: {stderr}");
    }
    std::fs::write(dir.path().join("bad.yaml"), format!("{IN_MEMORY}live: {{rateLimiter: {{burst: 0}}}}\n")).expect("written");
    assert_eq!(run(USER_INFO, &["check", "--config", "bad.yaml"], dir.path()).await.0, Some(64));
    std::fs::write(dir.path().join("good.yaml"), IN_MEMORY).expect("written");
    let checked = run(USER_INFO, &["check", "--config", "good.yaml"], dir.path()).await;
    assert_eq!(checked, (Some(0), "good.yaml: ok\n".to_owned(), String::new()));
}

#[tokio::test]
async fn a_file_that_is_missing_and_an_option_that_is_none_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    for program in [USER_INFO, USER_CLIENT] {
        let (code, stdout, stderr) = run(program, &["--config", "missing.yaml"], dir.path()).await;
        assert_eq!((code, stdout.as_str()), (Some(64), ""));
        assert!(stderr.ends_with("missing.yaml: cannot be read: No such file or directory (os error 2)\n"), "{stderr}");
        let (code, _, stderr) = run(program, &["--confg", "missing.yaml"], dir.path()).await;
        assert_eq!(code, Some(64), "{stderr}");
        assert!(stderr.contains("a similar argument exists: '--config'"), "{stderr}");
        let (code, stdout, stderr) = run(program, &["--help"], dir.path()).await;
        assert!(code == Some(0) && stdout.contains("--config") && stderr.is_empty(), "{stderr}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_of_its_own_and_nothing_is_half_started() {
    let dir = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let (taken_at, grpc) = (taken.local_addr().expect("bound"), free_address());
    let server = format!("server: {{grpc: {{listen: '{grpc}'}}, http: {{listen: '{taken_at}'}}}}\n");
    std::fs::write(dir.path().join("taken.yaml"), format!("{IN_MEMORY}{server}")).expect("written");
    let (code, stdout, stderr) = run(USER_INFO, &["--config", "taken.yaml"], dir.path()).await;
    assert_eq!((code, stdout.as_str()), (Some(69), ""), "{stderr}");
    let remedy = "another process has this port; stop it or choose another port";
    assert_eq!(stderr, format!("user_info: server.http.listen: cannot listen on {taken_at}: {remedy}\n"));
    TcpListener::bind(grpc).expect("the other port is free again");

    let client = format!("admin: {{listen: '{taken_at}'}}\ndiscovery: {{addresses: ['{grpc}']}}\n");
    std::fs::write(dir.path().join("taken.yaml"), client).expect("written");
    let (code, _, stderr) = run(USER_CLIENT, &["--config", "taken.yaml"], dir.path()).await;
    assert_eq!(code, Some(69), "{stderr}");
    assert!(stderr.ends_with(&format!("admin.listen: cannot listen on {taken_at}: {remedy}\n")), "{stderr}");
}

#[tokio::test]
async fn one_call_without_anybody_to_answer_is_an_error_as_json() {
    let target = free_address().to_string();
    let dir = tempfile::tempdir().expect("a folder");
    let (code, stdout, stderr) = run(USER_CLIENT, &["--once", "--target", &target], dir.path()).await;
    let error: serde_json::Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!((code, &error["code"], stderr.as_str()), (Some(1), &503.into(), ""), "{stdout}");
}
