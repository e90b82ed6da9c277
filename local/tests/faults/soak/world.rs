//! The system under test, its stores and its registry, each behind a proxy.

use std::collections::{BTreeMap, VecDeque};
use std::process::Command;

use fastrand::Rng;
use rustix::process::Signal;
use user_info_testing::consul::Consul;
use user_info_testing::mariadb::Mariadb;
use user_info_testing::process::signal;
use user_info_testing::program::built;
use user_info_testing::redis::Redis;
use user_info_testing::system::{Row, System, resource};
use user_info_testing::wait::eventually;

use super::unfinished::Unfinished;
use crate::dead::{Hosts, Several, is_root};
use crate::instance::Caller;
use crate::measure::Watch;
use crate::proxy::Proxy;
use crate::stores::{migrate_and_seed, mysql};

/// Where the stores and the registry are: behind a proxy each, and for root at a name of which other addresses are dead.
struct Places {
    hosts: Option<Hosts>,
    /// MariaDB, Redis, Consul.
    addresses: [String; 3],
    _names: Vec<Several>,
}

impl Places {
    /// Puts proxies before these servers.
    async fn before(servers: [&str; 3]) -> (Self, [Proxy; 3]) {
        let hosts = is_root().then(Hosts::new);
        let (mut addresses, mut names, mut proxies) = (Vec::new(), Vec::new(), Vec::new());
        for server in servers {
            if hosts.is_some() {
                let (name, proxy) = Several::before(server).await;
                addresses.push(name.to_string());
                names.push(name);
                proxies.push(proxy);
            } else {
                let proxy = Proxy::start(server).await;
                addresses.push(proxy.address.to_string());
                proxies.push(proxy);
            }
        }
        let places = Self { hosts, addresses: addresses.try_into().expect("three"), _names: names };
        (places, proxies.try_into().ok().expect("three"))
    }

    /// A command that becomes `user-info-local`, for which the name is known.
    fn command(&self) -> Command {
        let program = built("user-info-local");
        self.hosts.as_ref().map_or_else(|| Command::new(&program), |hosts| hosts.command(&program))
    }
}

/// A caller that reaches the first instance through a proxy.
pub(super) struct Beside {
    pub(super) proxy: Proxy,
    pub(super) watch: Watch,
    _caller: Caller,
}

impl Beside {
    async fn start(system: &System) -> Self {
        let instance = system.row("user_info-1").grpc.expect("an instance");
        let proxy = Proxy::start(&instance.to_string()).await;
        let caller = Caller::start(&[proxy.address], "requestsPerSecond: 50, concurrency: 4").await;
        Self { watch: Watch::of(caller.metrics), proxy, _caller: caller }
    }
}

/// All of it.
pub(super) struct World {
    pub(super) system: System,
    pub(super) mariadb: Mariadb,
    pub(super) redis: Redis,
    pub(super) consul: Consul,
    pub(super) users: Proxy,
    pub(super) views: Proxy,
    pub(super) registry: Proxy,
    /// Processes killed on purpose, by name: how often.
    pub(super) killed: BTreeMap<String, u64>,
    /// Generation of the spec that was saved last.
    pub(super) generation: i64,
    rate: u32,
    /// Server timeout; a change of it restarts the instances.
    timeout: u32,
    places: Places,
    watch: Watch,
    pub(super) beside: Beside,
    /// Callers that have not finished.
    pub(super) unfinished: VecDeque<Unfinished>,
}

impl World {
    pub(super) const REPLICAS: usize = 3;

    /// Starts everything and waits until calls succeed.
    pub(super) async fn start() -> Self {
        let (mariadb, redis) = tokio::join!(Mariadb::start(), Redis::start());
        migrate_and_seed(&mariadb.config().address);
        let consul = Consul::start().await;
        let (places, [users, views, registry]) =
            Places::before([&mariadb.config().address, &redis.config().address, &consul.address]).await;
        let (rate, timeout) = (200, 1000);
        let resource = resource(&spec(&places, rate, timeout));
        let mut system = System::launch_by(places.command(), tempfile::tempdir().expect("a folder"), &resource, &[]);
        system.ready().await;
        let watch = Watch::start(&system, 100.0).await;
        let beside = Beside::start(&system).await;
        let (killed, unfinished) = (BTreeMap::new(), VecDeque::new());
        Self {
            system,
            mariadb,
            redis,
            consul,
            users,
            views,
            registry,
            killed,
            generation: 1,
            rate,
            timeout,
            places,
            watch,
            beside,
            unfinished,
        }
    }

    /// What the caller has counted.
    pub(super) fn watch(&self) -> &Watch {
        &self.watch
    }

    /// The process called `name`, once it runs.
    pub(super) async fn pid(&self, name: &str) -> u32 {
        eventually("the process runs", async || {
            let now = self.system.processes().await;
            let found = now.iter().find(|p| p.name == name && p.state == "ready").and_then(|p: &Row| p.pid);
            found.ok_or(now)
        })
        .await
    }

    /// Kills the process called `name`.
    pub(super) async fn kill(&mut self, name: &str) {
        signal(self.pid(name).await, Signal::KILL);
        *self.killed.entry(name.to_owned()).or_default() += 1;
    }

    /// Changes the calls a second.
    pub(super) async fn change_settings(&mut self, random: &mut Rng) {
        let before = self.rate;
        while self.rate == before {
            self.rate = random.u32(150..250);
        }
        self.apply().await;
    }

    /// Makes the instances restart one after the other.
    pub(super) async fn roll(&mut self) {
        self.timeout = if self.timeout == 1000 { 990 } else { 1000 };
        self.apply().await;
    }

    async fn apply(&mut self) {
        self.generation += 1;
        let spec = spec(&self.places, self.rate, self.timeout);
        self.system.change(&spec).await;
    }
}

fn spec(places: &Places, rate: u32, timeout: u32) -> String {
    let [users, views, registry] = &places.addresses;
    format!(
        "  replicas: {}\n  server: {{timeout: {timeout}ms, drainDelay: 500ms}}\n  client: {{requestsPerSecond: {rate}, concurrency: 16}}\n  \
         addons: {{consul: {{mode: External, external: {{address: '{}'}}}}}}\n  data:\n    {}\n    redis: {{mode: External, address: '{}'}}",
        World::REPLICAS,
        registry,
        mysql(users),
        views
    )
}
