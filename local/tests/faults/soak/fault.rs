//! What is done to the system.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;
use rustix::process::Signal;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::sleep;
use user_info_testing::process::signal;

use super::unfinished::Unfinished;
use super::world::World;
use crate::proxy::Mode;

/// One kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    InstanceKilled,
    InstanceFrozen,
    ClientKilled,
    MariadbKilled,
    MariadbSlow,
    MariadbRefusing,
    MariadbFrozen,
    RedisKilled,
    RedisSlow,
    RedisFlushed,
    ConsulKilled,
    ConsulFrozen,
    ConsulRefusing,
    SettingsChanged,
    InstancesRolled,
    IdleConnections,
    MariadbRotated,
    RedisRotated,
    ConsulRotated,
    InstanceRotated,
    CallsUnfinished,
}

impl Fault {
    pub(super) const ALL: [Self; 21] = [
        Self::InstanceKilled,
        Self::InstanceFrozen,
        Self::ClientKilled,
        Self::MariadbKilled,
        Self::MariadbSlow,
        Self::MariadbRefusing,
        Self::MariadbFrozen,
        Self::RedisKilled,
        Self::RedisSlow,
        Self::RedisFlushed,
        Self::ConsulKilled,
        Self::ConsulFrozen,
        Self::ConsulRefusing,
        Self::SettingsChanged,
        Self::InstancesRolled,
        Self::IdleConnections,
        Self::MariadbRotated,
        Self::RedisRotated,
        Self::ConsulRotated,
        Self::InstanceRotated,
        Self::CallsUnfinished,
    ];
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InstanceKilled => "an instance killed",
            Self::InstanceFrozen => "an instance frozen",
            Self::ClientKilled => "the client killed",
            Self::MariadbKilled => "MariaDB killed",
            Self::MariadbSlow => "MariaDB slow",
            Self::MariadbRefusing => "MariaDB refusing",
            Self::MariadbFrozen => "MariaDB frozen",
            Self::RedisKilled => "Redis killed",
            Self::RedisSlow => "Redis slow",
            Self::RedisFlushed => "Redis flushed",
            Self::ConsulKilled => "Consul killed",
            Self::ConsulFrozen => "Consul frozen",
            Self::ConsulRefusing => "Consul refusing",
            Self::SettingsChanged => "settings changed",
            Self::InstancesRolled => "instances restarted in turn",
            Self::IdleConnections => "200 idle connections",
            Self::MariadbRotated => "connections to MariaDB ended again and again",
            Self::RedisRotated => "connections to Redis ended again and again",
            Self::ConsulRotated => "connections to Consul ended again and again",
            Self::InstanceRotated => "connections to an instance ended again and again",
            Self::CallsUnfinished => "callers that never finish",
        })
    }
}

impl World {
    /// Injects `fault`, keeps it up for half a second to 4 s, and ends it.
    pub(super) async fn inject(&mut self, fault: Fault, random: &mut Rng) {
        let lasts = Duration::from_millis(random.u64(500..4000));
        let slow = Mode::Slow(Duration::from_millis(random.u64(100..1500)));
        let rotate = Mode::Rotate(Duration::from_millis(random.u64(100..500)));
        let instance = format!("user_info-{}", random.usize(1..=Self::REPLICAS));
        match fault {
            Fault::InstanceKilled => self.kill(&instance).await,
            Fault::ClientKilled => self.kill("user_client").await,
            Fault::InstanceFrozen => {
                let pid = self.pid(&instance).await;
                signal(pid, Signal::STOP);
                sleep(lasts).await;
                signal(pid, Signal::CONT);
            }
            Fault::MariadbKilled => {
                self.mariadb.kill();
                sleep(lasts).await;
                self.mariadb.restart().await;
            }
            Fault::MariadbFrozen => {
                self.mariadb.pause();
                sleep(lasts).await;
                self.mariadb.resume();
            }
            Fault::MariadbSlow => self.users.during(slow, lasts).await,
            Fault::MariadbRefusing => self.users.during(Mode::Refuse, lasts).await,
            Fault::RedisKilled => {
                self.redis.kill();
                sleep(lasts).await;
                self.redis.restart().await;
            }
            Fault::RedisSlow => self.views.during(slow, lasts).await,
            Fault::RedisFlushed => self.redis.execute(&["FLUSHALL"]).await,
            Fault::ConsulKilled => {
                self.consul.kill();
                sleep(lasts).await;
                self.consul.restart().await;
            }
            Fault::ConsulFrozen => {
                self.consul.freeze(true);
                sleep(lasts).await;
                self.consul.freeze(false);
            }
            Fault::ConsulRefusing => self.registry.during(Mode::Refuse, lasts).await,
            Fault::SettingsChanged => self.change_settings(random).await,
            Fault::InstancesRolled => self.roll().await,
            Fault::MariadbRotated => self.users.during(rotate, lasts).await,
            Fault::RedisRotated => self.views.during(rotate, lasts).await,
            Fault::ConsulRotated => self.registry.during(rotate, lasts).await,
            Fault::InstanceRotated => self.beside.proxy.during(rotate, lasts).await,
            Fault::CallsUnfinished => {
                let unfinished = Unfinished::begin(self.system.row(&instance)).await;
                // Some are still there while other faults are injected.
                self.unfinished.push_back(unfinished);
                if self.unfinished.len() > 2 {
                    self.unfinished.pop_front();
                }
                sleep(lasts).await;
            }
            Fault::IdleConnections => {
                let to = self.system.row(&instance);
                let mut idle = Vec::new();
                for port in [to.http, to.grpc.expect("an instance")] {
                    for _ in 0..100 {
                        let mut stream = TcpStream::connect(port).await.expect("it listens");
                        stream.write_all(b"GET /").await.expect("room");
                        idle.push(stream);
                    }
                }
                sleep(lasts).await;
            }
        }
    }
}
