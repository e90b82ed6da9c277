//! Names of which some addresses are dead: whoever connects to one finds the address that answers.

use std::net::IpAddr;
use std::path::Path;
use std::process::{Command, Stdio};

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout};
use user_info_testing::consul::Consul;
use user_info_testing::http::get_json;
use user_info_testing::mariadb::Mariadb;
use user_info_testing::metrics::Metrics;
use user_info_testing::port::free_port;
use user_info_testing::program::built;
use user_info_testing::redis::Redis;
use user_info_testing::wait::{PATIENCE, check, eventually};

use crate::dead::{ALIVE, Hosts, Several, is_root};
use crate::instance::{Caller, Instance};
use crate::stores::migrate_and_seed;

#[tokio::test]
async fn c3_a_name_of_which_two_addresses_are_dead_is_reached_by_all_who_connect() {
    if !is_root() {
        return;
    }
    let hosts = Hosts::new();
    let (mut mariadb, redis, consul) = tokio::join!(Mariadb::start(), Redis::start(), Consul::start());
    migrate_and_seed(&mariadb.config().address);
    redis.execute(&["SET", "U:1:VISITS", "7"]).await;
    let (users, _to_mariadb) = Several::before(&mariadb.config().address).await;
    let (views, _to_redis) = Several::before(&redis.config().address).await;
    let (registry, _to_consul) = Several::before(&consul.address).await;
    let port = free_port();
    let (spans, collector) = (Several::at(port).await, TcpListener::bind((IpAddr::from(ALIVE), port)).await.expect("a free port"));
    let more = format!(
        "users: {{mysql: {{address: '{users}'}}}}\nviews: {{redis: {{address: '{views}'}}}}\n\
         registry: {{consul: {{addresses: ['{registry}']}}}}\ntracing: {{otlpEndpoint: 'http://{spans}', percentage: 100}}\n"
    );
    let run = |program: &Path, config: &Path| {
        let mut command = hosts.command(program);
        command.arg("--config").arg(config).stderr(Stdio::null());
        command
    };
    let begun = Instant::now();
    let instance = Instance::start_on(ALIVE, "drainDelay: 0s", &more, run).await;
    let answered = async |what: &str| {
        eventually(what, async || {
            let reply = get_json(instance.http, "/user_info/1").await;
            check(reply["user"]["name"] == "hutao" && reply["user"]["visits"] == "7", reply)
        })
        .await;
    };
    answered("MariaDB and Redis are read").await;
    println!("MariaDB and Redis after {:.2} s", begun.elapsed().as_secs_f64());
    let agent = consul.address.parse().expect("an address");
    eventually("Consul is told", async || {
        let found = get_json(agent, "/v1/health/service/bbs.user.info?passing=1").await;
        check(found.as_array().is_some_and(|found| found.len() == 1), found)
    })
    .await;
    println!("Consul after {:.2} s", begun.elapsed().as_secs_f64());
    let (mut stream, _) = timeout(PATIENCE, collector.accept()).await.expect("in time").expect("a connection");
    let mut preface = [0; 3];
    timeout(PATIENCE, stream.read_exact(&mut preface)).await.expect("in time").expect("it speaks");
    assert_eq!(&preface, b"PRI");
    println!("the collector after {:.2} s", begun.elapsed().as_secs_f64());

    let instances = Several::at(instance.grpc.port()).await;
    let begun = Instant::now();
    let program: Command = hosts.command(&built("user_client"));
    let caller = Caller::start_by(program, &[instances], "requestsPerSecond: 100", |command| command).await;
    let seen = eventually("calls are made", async || {
        let seen = Metrics::of(caller.metrics).await.client_codes();
        check(seen.of("0") >= 50.0, seen.clone()).map(|_| seen)
    })
    .await;
    println!("50 calls after {:.2} s: {seen:?}", begun.elapsed().as_secs_f64());
    assert_eq!(seen.other_than(&["0"]), 0.0, "{seen:?}");

    mariadb.kill();
    mariadb.restart().await;
    answered("MariaDB is found again").await;
}
