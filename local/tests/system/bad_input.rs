//! Files that cannot be used, and things that are missing: one clear line, the documented exit code, and nothing half started.

use std::path::Path;

use user_info_testing::system::{resource, run_to_end};

/// Specs, and the one line said of each.
const REFUSED: [(&str, &str); 7] = [
    ("  replicaz: 3", "bad.yaml:5: spec.replicaz: is no field; did you mean replicas?"),
    ("  replicas: '3'", "bad.yaml:5: spec.replicas: is \"3\", not a whole number; remove the quotes"),
    ("  client:\n    concurrency: 20000", "bad.yaml:6: spec.client.concurrency: 20000 is out of range; allowed is 0 to 10000"),
    ("  client: {timeout: 2}", "bad.yaml:5: spec.client.timeout: is 2, not a text; put it in quotes"),
    ("  server: {grpcPort: 9001, httpPort: 9001}", "bad.yaml:5: spec.server: grpcPort and httpPort are the same; give each its own"),
    ("  data: {mysql: {mode: External}}", "bad.yaml:5: spec.data.mysql: "),
    ("  rateLimiter: {algorithm: Leaky}", "bad.yaml:5: spec.rateLimiter.algorithm: \"Leaky\" is not known; allowed is TokenBucket, BBR"),
];

/// Runs the program on `bad.yaml` in `dir` with more arguments; the one line that it said.
async fn refused(dir: &Path, more: &[&str], code: i32) -> String {
    let work = dir.join("work");
    let args = [&["bad.yaml", "--dir", work.to_str().expect("text")], more].concat();
    let (exit, stdout, stderr) = run_to_end(&args, dir).await;
    assert_eq!((exit, stdout.as_str()), (Some(code), ""), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(!work.join("user_info-1.yaml").exists(), "nothing is started");
    stderr.trim_end().to_owned()
}

#[tokio::test]
async fn a_file_that_cannot_be_used_is_refused_with_the_place_and_what_is_allowed() {
    let dir = tempfile::tempdir().expect("a folder");
    for (spec, said) in REFUSED {
        std::fs::write(dir.path().join("bad.yaml"), resource(spec)).expect("written");
        let line = refused(dir.path(), &[], 64).await;
        assert!(line == said || said.ends_with(": ") && line.starts_with(said), "{line}");
        println!("{line}");
    }
    std::fs::write(dir.path().join("bad.yaml"), "kind: [").expect("written");
    assert!(refused(dir.path(), &[], 64).await.starts_with("bad.yaml:"));
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    let line = refused(dir.path(), &[], 64).await;
    assert_eq!(line, "bad.yaml: cannot be read: No such file or directory (os error 2)");
    std::fs::create_dir(dir.path().join("bad.yaml")).expect("made");
    assert_eq!(refused(dir.path(), &[], 64).await, "bad.yaml: cannot be read: Is a directory (os error 21)");
    std::fs::remove_dir(dir.path().join("bad.yaml")).expect("removed");

    std::fs::write(dir.path().join("bad.yaml"), resource("  replicas: 1")).expect("written");
    let line = refused(dir.path(), &["--programs", "nowhere"], 69).await;
    assert_eq!(line, "nowhere/user_info: not found; build it with `cargo build --bins`, or name its folder with --programs");
    let (exit, _, stderr) = run_to_end(&["bad.yaml", "--page-prot", "8080"], dir.path()).await;
    assert_eq!(exit, Some(64), "{stderr}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("bad.yaml"), resource("  replicas: 1")).expect("written");
    std::fs::write(dir.path().join("file"), "").expect("written");
    let (exit, stdout, stderr) = run_to_end(&["bad.yaml", "--dir", "file/work"], dir.path()).await;
    assert_eq!((exit, stdout.as_str()), (Some(69), ""), "{stderr}");
    assert_eq!(stderr, "file/work: Not a directory (os error 20)\n");
}
