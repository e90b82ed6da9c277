//! The system under test, its stores and its registry, each behind a proxy.

use std::collections::BTreeMap;

use fastrand::Rng;
use rustix::process::Signal;
use user_info_testing::consul::Consul;
use user_info_testing::mariadb::Mariadb;
use user_info_testing::process::signal;
use user_info_testing::redis::Redis;
use user_info_testing::system::{Row, System};
use user_info_testing::wait::eventually;

use crate::measure::Watch;
use crate::proxy::Proxy;
use crate::stores::{migrate_and_seed, mysql};

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
    watch: Watch,
}

impl World {
    pub(super) const REPLICAS: usize = 3;

    /// Starts everything and waits until calls succeed.
    pub(super) async fn start() -> Self {
        let (mariadb, redis) = tokio::join!(Mariadb::start(), Redis::start());
        migrate_and_seed(&mariadb.config().address);
        let consul = Consul::start().await;
        let users = Proxy::start(&mariadb.config().address).await;
        let views = Proxy::start(&redis.config().address).await;
        let registry = Proxy::start(&consul.address).await;
        let (rate, timeout) = (200, 1000);
        let system = System::start(&spec(&users, &views, &registry, rate, timeout)).await;
        let watch = Watch::start(&system, 100.0).await;
        Self { system, mariadb, redis, consul, users, views, registry, killed: BTreeMap::new(), generation: 1, rate, timeout, watch }
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
        let spec = spec(&self.users, &self.views, &self.registry, self.rate, self.timeout);
        self.system.change(&spec).await;
    }
}

fn spec(users: &Proxy, views: &Proxy, registry: &Proxy, rate: u32, timeout: u32) -> String {
    format!(
        "  replicas: {}\n  server: {{timeout: {timeout}ms, drainDelay: 500ms}}\n  client: {{requestsPerSecond: {rate}, concurrency: 16}}\n  \
         addons: {{consul: {{mode: External, external: {{address: '{}'}}}}}}\n  data:\n    {}\n    redis: {{mode: External, address: '{}'}}",
        World::REPLICAS,
        registry.address,
        mysql(users.address),
        views.address
    )
}
