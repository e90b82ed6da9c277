//! Servers in cluster mode.

use user_info_testing::port::free_address;
use user_info_testing::redis_cluster::RedisCluster;

use super::*;

/// A cluster as the seeds name it, the first of which is away.
fn views(cluster: &RedisCluster) -> Views {
    let addresses = [free_address().to_string()].into_iter().chain(cluster.nodes.iter().map(Redis::address)).collect();
    Views { redis: Some(config::Redis { addresses, topology: config::RedisTopology::Cluster, ..config::Redis::default() }), memory: false }
}

/// Reads all samples at once, round after round, and panics if any is not as `expected`.
async fn read_all(data: &Data, rounds: usize, expected: &[i64]) {
    for _ in 0..rounds {
        let read = join_all((1..).zip(expected).map(|(id, _)| visits(data, id))).await;
        assert_eq!(read, expected, "{:?}", data.status()[1].last_error);
    }
}

#[tokio::test]
async fn d3_a_node_in_cluster_mode_needs_no_setting() {
    let cluster = RedisCluster::start(1, false).await;
    let node = &cluster.nodes[0];
    for (key, value) in [("U:1:VISITS", "11"), ("U:2:VISITS", "22"), ("U:3:VISITS", "33")] {
        node.execute(&["SET", key, value]).await;
    }
    let (users, _) = in_memory();
    let data = open(&users, &redis(node)).await.unwrap();
    let callers = (0..16).map(|caller| {
        let data = data.clone();
        async move {
            for round in 0..20 {
                let id = 1 + (caller + round) % 3;
                assert_eq!(visits(&data, id).await, 11 * id);
            }
        }
    });
    join_all(callers).await;
    assert_eq!(data.status()[1].last_error, None);
}

#[tokio::test]
async fn d3_what_is_no_cluster_is_refused_as_one() {
    let server = Redis::start().await;
    let (users, _) = in_memory();
    let cluster = config::Redis { topology: config::RedisTopology::Cluster, ..server.config() };
    let message = wrong(open(&users, &Views { redis: Some(cluster), memory: false }).await);
    assert!(message.ends_with("(the server is not in cluster mode: remove views.redis.topology)"), "{message}");
    let node = Redis::start_node(&[]).await;
    node.execute(&["ACL", "SETUSER", "app", "on", "nopass", "~*", "-@all", "+mget"]).await;
    let app = config::Redis { username: Some("app".to_owned()), ..node.config() };
    let message = wrong(open(&users, &Views { redis: Some(app), memory: false }).await);
    assert!(message.ends_with("(allow the user CLUSTER SLOTS and MGET on U:*:VISITS)"), "{message}");
    // A cluster that is not set up yet may come.
    let data = open(&users, &redis(&node)).await.unwrap();
    assert!(data.status()[1].last_error.as_ref().is_some_and(|error| error.contains("no slots yet")), "{:?}", data.status());
    node.execute(&["CLUSTER", "ADDSLOTSRANGE", "0", "16383"]).await;
    eventually("the cluster is up", async || node.text(&["CLUSTER", "INFO"]).await.contains("cluster_state:ok")).await;
    node.execute(&["SET", "U:1:VISITS", "7"]).await;
    eventually("views are read", async || visits(&data, 1).await == 7).await;
}

#[tokio::test]
async fn d3_slots_that_move_are_followed() {
    let cluster = RedisCluster::start(3, false).await;
    let (users, _) = in_memory();
    assert_eq!(seed(&users, &views(&cluster), PageViews::Required).await.unwrap(), Seeded { users: 0, views: 10 });
    assert_eq!(seed(&users, &views(&cluster), PageViews::Required).await.unwrap(), Seeded { users: 0, views: 0 });
    let expected = SAMPLES.map(|sample| sample.visits);
    let data = open(&users, &views(&cluster)).await.unwrap();
    read_all(&data, 3, &expected).await;

    // A slot is on its way: the key is there already, which its old node tells by ASK.
    let key = "U:1:VISITS";
    let (slot, from) = (cluster.slot(key).await.to_string(), cluster.master_of(key).await);
    let to = (from + 1) % 3;
    let (source, target) = (&cluster.nodes[from], &cluster.nodes[to]);
    let (source_id, target_id) = (cluster.id(from).await, cluster.id(to).await);
    target.execute(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &source_id]).await;
    source.execute(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &target_id]).await;
    read_all(&data, 2, &expected).await;
    source.execute(&["MIGRATE", "127.0.0.1", &target.port().to_string(), key, "0", "5000"]).await;
    read_all(&data, 2, &expected).await;
    // It has moved, which its old node tells by MOVED.
    target.execute(&["CLUSTER", "SETSLOT", &slot, "NODE", &target_id]).await;
    source.execute(&["CLUSTER", "SETSLOT", &slot, "NODE", &target_id]).await;
    read_all(&data, 3, &expected).await;
    target.execute(&["SET", key, "77"]).await;
    assert_eq!(visits(&data, 1).await, 77);
    assert_eq!(data.status()[1].last_error, None);
}

#[tokio::test]
async fn d3_a_replica_answers_while_its_master_is_away_and_after_it_took_over() {
    let mut cluster = RedisCluster::start(3, true).await;
    let (users, _) = in_memory();
    let views = views(&cluster);
    assert_eq!(seed(&users, &views, PageViews::Required).await.unwrap(), Seeded { users: 0, views: 10 });
    let key = {
        let mut of_first = None;
        for sample in &SAMPLES {
            if cluster.master_of(&format!("U:{}:VISITS", sample.id)).await == 0 {
                of_first = Some(sample);
                break;
            }
        }
        of_first.expect("some sample's slot is the first master's")
    };
    let name = format!("U:{}:VISITS", key.id);
    eventually("the replica has the key", async || {
        let keys: Vec<String> = ::redis::from_redis_value(cluster.nodes[3].execute(&["KEYS", "*"]).await).unwrap();
        keys.contains(&name)
    })
    .await;
    let data = open(&users, &views).await.unwrap();
    let expected = SAMPLES.map(|sample| sample.visits);
    read_all(&data, 1, &expected).await;

    // Frozen: its replica answers, and the other nodes theirs.
    cluster.nodes[0].pause();
    eventually("the replica answers", async || visits(&data, key.id).await == key.visits).await;
    cluster.nodes[0].resume();
    eventually("the master answers", async || visits(&data, key.id).await == key.visits).await;

    // Gone, and replaced.
    cluster.nodes[0].kill();
    eventually("the replica answers", async || visits(&data, key.id).await == key.visits).await;
    cluster.nodes[3].execute(&["CLUSTER", "FAILOVER", "TAKEOVER"]).await;
    cluster.nodes[3].execute(&["SET", &name, "4242"]).await;
    eventually("the new master answers", async || visits(&data, key.id).await == 4242).await;
    cluster.nodes[3].execute(&["DEL", &name]).await;
    eventually("the nodes know of the new master", async || {
        let slots = cluster.nodes[1].text(&["CLUSTER", "NODES"]).await;
        slots.lines().any(|line| line.contains(&format!(":{}@", cluster.nodes[3].port())) && line.contains("master"))
    })
    .await;
    assert_eq!(seed(&users, &views, PageViews::Required).await.unwrap(), Seeded { users: 0, views: 1 }, "it takes writes");
}
