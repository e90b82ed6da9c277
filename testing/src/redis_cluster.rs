//! A cluster of Redis of one's own.

use crate::redis::Redis;
use crate::wait::{check, eventually};

/// Nodes on this machine: masters with an equal share of the slots each, and after them one replica of the first.
#[derive(Debug)]
pub struct RedisCluster {
    /// The nodes.
    pub nodes: Vec<Redis>,
}

impl RedisCluster {
    /// Slots of a cluster.
    const SLOTS: usize = 16_384;
    /// Nodes never hold each other for failed, however busy the machine is: who is to take over is told so.
    const PATIENT: [&str; 2] = ["--cluster-node-timeout", "600000"];

    /// Starts a cluster of this many masters, and a replica of the first if there is to be one.
    pub async fn start(masters: usize, replica: bool) -> Self {
        let mut nodes = Vec::new();
        for number in 0..masters + usize::from(replica) {
            let node = Redis::start_node(&Self::PATIENT).await;
            node.execute(&["CLUSTER", "SET-CONFIG-EPOCH", &(number + 1).to_string()]).await;
            if number < masters {
                let (first, last) = (number * Self::SLOTS / masters, (number + 1) * Self::SLOTS / masters - 1);
                node.execute(&["CLUSTER", "ADDSLOTSRANGE", &first.to_string(), &last.to_string()]).await;
            }
            nodes.push(node);
        }
        // Each meets all before it: gossip would take seconds.
        for (number, node) in nodes.iter().enumerate() {
            for other in &nodes[..number] {
                node.execute(&["CLUSTER", "MEET", "127.0.0.1", &other.port().to_string(), other.bus_port()]).await;
            }
        }
        let cluster = Self { nodes };
        cluster.agreed(masters).await;
        if replica {
            let (replica, master) = (&cluster.nodes[masters], cluster.id(0).await);
            replica.execute(&["CLUSTER", "REPLICATE", &master]).await;
            for node in &cluster.nodes {
                eventually("the replica is known", async || {
                    let nodes = node.text(&["CLUSTER", "NODES"]).await;
                    check(nodes.contains("slave") && !nodes.contains("noaddr"), nodes)
                })
                .await;
            }
            eventually("the replica has the data", async || {
                let info = replica.text(&["INFO", "replication"]).await;
                check(info.contains("master_link_status:up"), info)
            })
            .await;
        }
        cluster
    }

    /// What the node with this number is called in the cluster.
    pub async fn id(&self, node: usize) -> String {
        self.nodes[node].text(&["CLUSTER", "MYID"]).await
    }

    /// Writes a key at the node that has it.
    pub async fn set(&self, key: &str, value: &str) {
        self.nodes[self.master_of(key).await].execute(&["SET", key, value]).await;
    }

    /// The number of the first node that has the slot of `key`, as it says itself.
    pub async fn master_of(&self, key: &str) -> usize {
        let slot = self.slot(key).await;
        for (number, node) in self.nodes.iter().enumerate() {
            let own = node.text(&["CLUSTER", "NODES"]).await;
            let line = own.lines().find(|line| line.contains("myself") && line.contains("master")).unwrap_or_default();
            let has = |range: &str| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                first.parse().is_ok_and(|first: usize| first <= slot) && last.parse().is_ok_and(|last: usize| slot <= last)
            };
            if line.split(' ').skip(8).any(has) {
                return number;
            }
        }
        panic!("no node has {key}");
    }

    /// The slot of a key.
    pub async fn slot(&self, key: &str) -> usize {
        redis::from_redis_value(self.nodes[0].execute(&["CLUSTER", "KEYSLOT", key]).await).expect("a number")
    }

    /// Waits until all nodes know that many masters with slots.
    async fn agreed(&self, masters: usize) {
        for node in &self.nodes {
            eventually("the cluster is up", async || {
                let info = node.text(&["CLUSTER", "INFO"]).await;
                let up = info.contains("cluster_state:ok") && info.contains(&format!("cluster_size:{masters}"));
                check(up && info.contains(&format!("cluster_known_nodes:{}", self.nodes.len())), info)
            })
            .await;
        }
    }
}
