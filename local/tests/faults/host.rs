//! The machine runs short of what everybody takes for granted: disk, descriptors, the right time, the network.

mod network;

use std::fs::File;
use std::io::{PipeReader, PipeWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tokio::net::TcpStream;
use tokio::time::Instant;
use user_info_testing::config::IN_MEMORY;
use user_info_testing::http::{get, get_json};
use user_info_testing::metrics::Metrics;
use user_info_testing::process::{memory, signal};
use user_info_testing::program::built;
use user_info_testing::redis::Redis;
use user_info_testing::system::{System, resource};
use user_info_testing::wait::{check, eventually};

use self::network::Namespace;
use crate::dead::is_root;
use crate::instance::{Caller, Instance};
use crate::measure::Watch;

#[tokio::test]
async fn a_full_disk_for_logs_costs_lines_and_no_call() {
    let log = "live: {log: {level: debug}}\n";
    let instance = Instance::start_as("drainDelay: 0s", &format!("{IN_MEMORY}{log}"), |program, config| {
        let full = File::options().write(true).open("/dev/full").expect("the device that is always full");
        let mut command = Command::new(program);
        command.arg("--config").arg(config).stderr(full);
        command
    })
    .await;
    for _ in 0..200 {
        assert_eq!(get(instance.http, "/user_info/1").await.0, 200);
        assert_eq!(get(instance.http, "/user_info/404").await.0, 404);
    }
    assert_eq!(Metrics::of(instance.http).await.sum("bbs_user_info_panics_total", &[]), 0.0);
}

#[tokio::test]
async fn a_log_that_nobody_reads_costs_lines_and_no_call() {
    let more = format!("{IN_MEMORY}live: {{log: {{accessLinesPerSecond: 100000}}}}\n");
    let instance = Instance::start_as("drainDelay: 0s", &more, |program, config| {
        let mut command = Command::new(program);
        command.arg("--config").arg(config).stderr(Stdio::piped());
        command
    })
    .await;
    let caller = Caller::start(&[instance.grpc], "concurrency: 32").await;
    let watch = Watch::of(caller.metrics);
    let (begun, before) = (Instant::now(), memory(instance.pid()));
    eventually("lines are dropped", async || {
        let dropped = Metrics::of(instance.http).await.sum("bbs_user_info_log_lines_dropped_total", &[]);
        check(dropped > 1000.0, dropped)
    })
    .await;
    let (cost, grown) = (watch.cost(begun), memory(instance.pid()).saturating_sub(before));
    println!("a log that nobody reads: {cost}, {grown} bytes more");
    assert_eq!(cost.failed, 0.0, "{cost:?}");
    assert!(grown < 16 << 20, "{grown} bytes");
    signal(instance.pid(), Signal::TERM);
    eventually("it ends", async || check(memory(instance.pid()) == 0, "it runs")).await;
}

/// The writing end of a pipe that is full; it stays so as long as the reading end is kept.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    rustix::io::ioctl_fionbio(&writer, true).expect("ours");
    while (&writer).write(&[0; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).expect("ours");
    (reader, writer)
}

#[tokio::test]
async fn a_client_whose_output_nobody_reads_calls_on() {
    let instance = Instance::start("drainDelay: 0s", IN_MEMORY).await;
    let (_reader, output) = full_pipe();
    let errors = output.try_clone().expect("a descriptor");
    let caller = Caller::start_as(&[instance.grpc], "requestsPerSecond: 200", |program| program.stdout(output).stderr(errors)).await;
    let begun = Instant::now();
    eventually("calls after several lines", async || {
        let calls = Metrics::of(caller.metrics).await.client_codes().of("0");
        check(calls > 400.0 && begun.elapsed().as_secs() > 2, calls)
    })
    .await;
    signal(caller.pid(), Signal::TERM);
    eventually("it ends", async || check(memory(caller.pid()) == 0, "it runs")).await;
}

#[tokio::test]
async fn a_full_disk_for_users_and_config_costs_no_call_and_loses_no_setting() {
    if !is_root() {
        return;
    }
    let spec = |rate: u32, timeout: &str| {
        format!("  replicas: 2\n  server: {{timeout: {timeout}}}\n  client: {{requestsPerSecond: {rate}, concurrency: 8}}")
    };
    let (dir, small) = (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let mut program = Command::new("unshare");
    program.args(["--mount", "sh", "-c", r#"mount -t tmpfs -o size=4m tmpfs "$1" && shift && exec "$@""#, "sh"]);
    program.arg(small.path()).arg(built("user-info-local"));
    let work = small.path().join("work");
    let mut system = System::launch_by(program, dir, &resource(&spec(300, "1s")), &["--dir", work.to_str().expect("text")]);
    system.ready().await;
    let watch = Watch::start(&system, 100.0).await;
    let pids = system.pids();

    let begun = Instant::now();
    let inside = format!("/proc/{}/root{}/fill", system.pid(), small.path().display());
    let mut fill = File::create(&inside).expect("there is room yet");
    while fill.write_all(&[0; 4096]).is_ok() {}
    // One that takes effect live, and one that takes a restart.
    for (rate, timeout) in [(310, "1s"), (310, "900ms")] {
        system.save(&spec(rate, timeout));
        eventually("the table says what is the matter", async || {
            let snapshot = system.snapshot().await;
            check(snapshot["processes"].to_string().contains("No space left on device"), snapshot["processes"].clone())
        })
        .await;
        watch.until_well(300.0).await;
    }
    let now: Vec<_> = system.processes().await.into_iter().filter_map(|p| p.pid).collect();
    assert!(pids.iter().all(|pid| now.contains(pid)), "all run on: {pids:?} then {now:?}");
    println!("disk full for {:.1} s: {}", begun.elapsed().as_secs_f64(), watch.cost(begun));

    let freed = Instant::now();
    std::fs::remove_file(&inside).expect("it is there");
    drop(fill);
    eventually("the last spec is in force", async || {
        let mut found = Vec::new();
        for instance in system.instances() {
            found.push(get_json(instance.http, "/config").await["config"]["server"]["timeout"].clone());
        }
        check(found.iter().all(|timeout| timeout == "900ms"), found)
    })
    .await;
    println!("the last spec is in force {:.1} s after there is room again", freed.elapsed().as_secs_f64());
    watch.until_well(300.0).await;
    let cost = watch.cost(begun);
    assert_eq!(cost.failed, 0.0, "{cost:?}");
}

#[tokio::test]
async fn descriptors_used_up_by_callers_leave_enough_for_the_stores_and_for_those_who_were_there() {
    let mut views = Redis::start().await;
    let more = format!("users: {{memory: true}}\nviews: {{redis: {{address: '{}'}}}}\n", views.config().address);
    let instance = Instance::start_as("drainDelay: 0s", &more, |program, config| {
        let mut command = Command::new("sh");
        command.args(["-c", r#"ulimit -n 128; exec "$@""#, "sh"]).arg(program).arg("--config").arg(config).stderr(Stdio::null());
        command
    })
    .await;
    let caller = Caller::start(&[instance.grpc], "requestsPerSecond: 100, concurrency: 2").await;
    let watch = Watch::of(caller.metrics);
    watch.until_well(50.0).await;

    let begun = Instant::now();
    let mut flood = Vec::new();
    for _ in 0..500 {
        flood.push(TcpStream::connect(instance.grpc).await.expect("it listens"));
    }
    eventually("the rest is refused", async || {
        let refused = Metrics::of(instance.http).await.sum("bbs_user_info_connections_refused_total", &[]);
        check(refused >= 400.0, refused)
    })
    .await;
    views.kill();
    views.restart().await;
    views.execute(&["SET", "U:1:VISITS", "7"]).await;
    eventually("the store is connected again", async || {
        let reply = get_json(instance.http, "/user_info/1").await;
        check(reply["user"]["visits"] == "7", reply)
    })
    .await;
    watch.until_well(100.0).await;
    let cost = watch.cost(begun);
    println!("500 connections at a limit of 128 open files: {cost}");
    assert_eq!(cost.failed, 0.0, "{cost:?}");
    assert_eq!(Metrics::of(instance.http).await.sum("bbs_user_info_accept_failures_total", &[]), 0.0);
}

/// The library that steps the clock of what it is preloaded into.
fn clock(dir: &Path) -> std::path::PathBuf {
    let library = dir.join("clock.so");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/faults/host/clock.c");
    let done = Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).status().expect("a C compiler");
    assert!(done.success(), "cc: {done}");
    library
}

#[tokio::test]
async fn a_clock_that_is_stepped_forward_and_back_costs_no_call() {
    /// A thousand years: the log lines tell that the step has come about.
    const FAR: i64 = 1000 * 365 * 86_400;
    let tools = tempfile::tempdir().expect("a folder");
    let step = tools.path().join("step");
    std::fs::write(&step, 0_i64.to_ne_bytes()).expect("written");
    let by = |seconds: i64| {
        // In place: the programs have the file mapped.
        let mut file = File::options().write(true).open(&step).expect("it is there");
        file.write_all(&seconds.to_ne_bytes()).expect("written");
        Instant::now()
    };
    let mut program = Command::new(built("user-info-local"));
    program.env("LD_PRELOAD", clock(tools.path())).env("CLOCK_STEP_FILE", &step);
    let spec = "  replicas: 2\n  client: {requestsPerSecond: 400, concurrency: 8}\n  rateLimiter: {requestsPerSecond: 2000, burst: 50}";
    let mut system = System::launch_by(program, tempfile::tempdir().expect("a folder"), &resource(spec), &[]);
    system.ready().await;
    let watch = Watch::start(&system, 200.0).await;
    for (what, seconds) in [("forward", FAR), ("back", 0), ("an hour back", -3600), ("forward again", 0)] {
        let begun = by(seconds);
        if seconds == FAR {
            eventually("the programs see it", async || {
                check(!system.logged("user_info-1: 30").is_empty(), system.logged("user_info-1").pop())
            })
            .await;
        }
        watch.until_well(1200.0).await;
        let cost = watch.cost(begun);
        println!("the clock is stepped {what}: {cost}");
        assert_eq!(cost.failed, 0.0, "{cost:?}");
    }
    for instance in system.instances() {
        assert_eq!(get(instance.http, "/readyz").await.0, 200);
    }
    let snapshot = system.snapshot().await;
    assert_eq!(snapshot["processes"].as_array().map(Vec::len), Some(system.processes().await.len()));
    let now = system.processes().await;
    assert!(now.iter().all(|p| p.restarts == 0), "{now:?}");
}

#[tokio::test]
async fn an_instance_behind_a_network_that_carries_nothing_is_left_alone_until_it_does() {
    const CONCURRENCY: f64 = 8.0;
    if !is_root() {
        return;
    }
    let namespace = Namespace::new();
    let mut instances = vec![Instance::start("drainDelay: 0s", IN_MEMORY).await, Instance::start("drainDelay: 0s", IN_MEMORY).await];
    let far = Instance::start_on(namespace.inside, "drainDelay: 0s", IN_MEMORY, |program, config| {
        let mut command = namespace.command(program);
        command.arg("--config").arg(config).stderr(Stdio::null());
        command
    })
    .await;
    let far_http = far.http;
    instances.push(far);
    let addresses: Vec<_> = instances.iter().map(|i| i.grpc).collect();
    let caller = Caller::start(&addresses, "requestsPerSecond: 300, concurrency: 8").await;
    let served = async || {
        let before = Metrics::of(far_http).await.server_codes().of("0");
        eventually("it is called", async || {
            let now = Metrics::of(far_http).await.server_codes().of("0");
            check(now >= before + 50.0, now)
        })
        .await;
    };
    served().await;
    let watch = Watch::of(caller.metrics);
    watch.until_well(100.0).await;

    let begun = Instant::now();
    namespace.cut();
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    watch.until_well(300.0).await;
    let cost = watch.cost(begun);
    println!("the network to one of three instances carries nothing for {:.1} s: {cost}", begun.elapsed().as_secs_f64());
    assert!(cost.failed <= 3.0 * CONCURRENCY, "{cost:?}");
    let healed = Instant::now();
    namespace.heal();
    served().await;
    println!("it is called again {:.1} s after the network is back: {}", healed.elapsed().as_secs_f64(), watch.cost(healed));
    assert_eq!(watch.cost(healed).failed, 0.0);
}

/// As Kubernetes moves one from a node that is lost: nothing says that it has ended, and another one takes its address.
#[tokio::test]
async fn c1_a_pod_that_moves_behind_its_address_is_called_again() {
    if !is_root() {
        return;
    }
    let run = |namespace: &Namespace, program: &Path, config: &Path| {
        let mut command = namespace.command(program);
        command.arg("--config").arg(config).stderr(Stdio::null());
        command
    };
    let mut namespace = Namespace::new();
    let mut pod =
        Instance::start_on(namespace.inside, "drainDelay: 0s", IN_MEMORY, |program, config| run(&namespace, program, config)).await;
    let caller = Caller::start(&[pod.grpc], "requestsPerSecond: 100, concurrency: 8").await;
    let watch = Watch::of(caller.metrics);
    watch.until_well(100.0).await;
    let begun = Instant::now();
    namespace.cut();
    pod.kill();
    namespace.renew();
    pod.restart(|program, config| run(&namespace, program, config)).await;
    let there = Instant::now();
    watch.until_well(100.0).await;
    let cost = watch.cost(begun);
    println!("a pod is gone for {:.1} s: {cost}; well {:.1} s after", (there - begun).as_secs_f64(), there.elapsed().as_secs_f64());
    // A pause between two attempts to connect is 2.4 s at most; a hundred calls take a second.
    assert!(there.elapsed().as_secs() < 8, "{:?}: {cost}", there.elapsed());
}
