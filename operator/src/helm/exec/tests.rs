//! With a shell in Helm's place, which says what it got.

use super::*;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

struct Fake {
    program: Program,
    folder: tempfile::TempDir,
    _stopper: watch::Sender<bool>,
    stop: watch::Receiver<bool>,
}

fn fake(script: &str) -> Fake {
    let folder = tempfile::tempdir().expect("a folder");
    let helm = folder.path().join("helm");
    std::fs::write(&helm, format!("#!/bin/sh\ncd '{}'\n{script}\n", folder.path().display())).expect("written");
    std::fs::set_permissions(&helm, PermissionsExt::from_mode(0o755)).expect("executable");
    let (stopper, stop) = watch::channel(false);
    // Through the shell: a file that was just written may still be open elsewhere for writing, when another test forks.
    let guard = vec!["/bin/sh".into()];
    let program = Program { helm, guard, way: Way::Pod("https://cluster".to_owned()), work: folder.path().join("work") };
    Fake { program, folder, _stopper: stopper, stop }
}

impl Fake {
    async fn run(&mut self, input: &[u8], limit: Duration) -> Result<(), Failure> {
        let call = |arguments: &[&str]| Call { arguments: arguments.iter().map(Into::into).collect(), input: input.to_vec() };
        self.program.run("demo", vec![call(&["first", "a b"]), call(&["second"])], limit, &mut self.stop).await
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default()
    }
}

fn complaint(outcome: Result<(), Failure>) -> Complaint {
    match outcome {
        Err(Failure::Complaint(complaint)) => complaint,
        other => panic!("no complaint: {other:?}"),
    }
}

const LONG: Duration = Duration::from_secs(20);

#[tokio::test]
async fn calls_follow_each_other_in_one_home_with_a_clean_environment() {
    let mut fake = fake(
        r#"printf '[%s]' "$@" >>args; cat >>input; env >>env; stat -c %a "$KUBECONFIG" >mode; cat "$KUBECONFIG" >kubeconfig; echo x >>"$HELM_CACHE_HOME.seen"; wc -l <"$HELM_CACHE_HOME.seen" >count"#,
    );
    fake.run(b"values", LONG).await.expect("ends well");
    assert_eq!(fake.read("args"), "[first][a b][second]");
    assert_eq!((fake.read("input").as_str(), fake.read("count").trim()), ("valuesvalues", "2"));
    assert!(!fake.read("env").contains("CARGO"), "{}", fake.read("env"));
    assert!(fake.read("kubeconfig").contains("system:serviceaccount:demo:user-info-charts"), "{}", fake.read("kubeconfig"));
    assert_eq!(fake.read("mode").trim(), "600");
    assert_eq!(std::fs::read_dir(fake.folder.path().join("work")).expect("a folder").count(), 0, "the home is removed");
}

#[tokio::test]
async fn the_first_failure_ends_it_with_what_was_said() {
    let mut fake = fake("echo $1 >>args; echo 'Error: boom' >&2; exit 3");
    // It need not read what it is given.
    assert_eq!(complaint(fake.run(&vec![b'x'; 1 << 20], LONG).await).message, "boom");
    assert_eq!(fake.read("args"), "first\n");
}

#[tokio::test]
async fn however_much_is_written_little_is_kept() {
    let mut fake = fake("echo 'Error: much' >&2; head -c 9000000 /dev/zero | tr '\\0' y >&2; exit 1");
    assert!(complaint(fake.run(b"", LONG).await).message.starts_with("much; yyy"));
}

#[tokio::test]
async fn it_has_a_limit_and_is_told_first_then_killed_with_all_it_started() {
    let mut fake = fake("trap 'echo told >>args; exit 1' TERM; sleep 60 & echo $! >child; wait");
    let start = Instant::now();
    assert_eq!(complaint(fake.run(b"", Duration::from_millis(300)).await).reason, Reason::HelmTimeout);
    assert!(start.elapsed() < Duration::from_secs(9), "it ends when it is told");
    assert_eq!(fake.read("args"), "told\n");
    let child = Path::new("/proc").join(fake.read("child").trim());
    assert!(!child.join("stat").exists() || std::fs::read_to_string(child.join("stat")).is_ok_and(|stat| stat.contains(") Z")));
}

#[tokio::test]
async fn it_is_stopped_with_the_operator() {
    let mut fake = fake("trap 'exit 0' TERM; : >up; sleep 60 & wait");
    let (stopper, stop) = watch::channel(false);
    fake.stop = stop;
    let up = fake.folder.path().join("up");
    let waiting = async {
        while !up.exists() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stopper.send_replace(true);
    };
    let (outcome, ()) = tokio::join!(fake.run(b"", LONG), waiting);
    assert!(matches!(outcome, Err(Failure::Stopped)), "{outcome:?}");
}

#[tokio::test]
async fn a_missing_program_is_named() {
    let mut fake = fake("");
    fake.program.guard.clear();
    fake.program.helm = "/no/helm".into();
    let complaint = complaint(fake.run(b"", LONG).await);
    assert_eq!(
        (complaint.reason, complaint.message.as_str()),
        (Reason::HelmBroken, "/no/helm cannot be run: No such file or directory (os error 2)")
    );
}

#[tokio::test]
async fn a_right_that_is_missing_is_told_with_the_way_to_look() {
    let mut fake = fake("echo 'Error: secrets is forbidden: User \"x\" cannot list resource' >&2; exit 1");
    let complaint = complaint(fake.run(b"", LONG).await);
    assert_eq!(complaint.reason, Reason::Forbidden);
    let look = "kubectl auth can-i --list --namespace=demo --as=system:serviceaccount:demo:user-info-charts";
    assert!(complaint.message.ends_with(look), "{}", complaint.message);
}
