//! Sentinels.

use user_info_testing::port::free_address;

use super::*;

#[tokio::test]
async fn d3_sentinels_tell_the_master_before_and_after_a_failover() {
    let mut master = Redis::start().await;
    let replica = Redis::start_with(&["--replicaof", "127.0.0.1", &master.port().to_string()]).await;
    master.execute(&["SET", "U:1:VISITS", "7"]).await;
    eventually("the replica has the data", async || replica.text(&["INFO", "replication"]).await.contains("master_link_status:up")).await;
    let sentinel = Redis::start_sentinel("main", &master, "watch").await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "watch").unwrap();
    let asked = config::Sentinel { master_name: "main".to_owned(), username: None, password_file: Some(file) };
    let redis = config::Redis {
        // The first is away.
        addresses: vec![free_address().to_string(), sentinel.address()],
        topology: config::RedisTopology::Sentinel,
        sentinel: Some(asked),
        ..config::Redis::default()
    };
    let (users, _) = in_memory();
    let with = |change: fn(&mut config::Redis)| {
        let mut redis = redis.clone();
        change(&mut redis);
        Views { redis: Some(redis), memory: false }
    };
    let message = wrong(open(&users, &with(|redis| redis.sentinel.as_mut().unwrap().master_name = "other".to_owned())).await);
    assert!(message.ends_with("knows no master \"other\" (check views.redis.sentinel.masterName)"), "{message}");
    let message = wrong(open(&users, &with(|redis| redis.sentinel.as_mut().unwrap().password_file = None)).await);
    assert!(message.ends_with("(check views.redis.sentinel.username and the password file)"), "{message}");
    let address = master.address();
    let not_sentinel = config::Redis { addresses: vec![address], ..redis.clone() };
    let not_sentinel =
        config::Redis { sentinel: not_sentinel.sentinel.map(|s| config::Sentinel { password_file: None, ..s }), ..not_sentinel };
    let message = wrong(open(&users, &Views { redis: Some(not_sentinel), memory: false }).await);
    assert!(message.ends_with("(the server is no Sentinel: give the addresses of those)"), "{message}");
    let message = wrong(
        open(
            &users,
            &Views {
                redis: Some(config::Redis {
                    password_file: redis.sentinel.as_ref().and_then(|s| s.password_file.clone()),
                    ..sentinel.config()
                }),
                memory: false,
            },
        )
        .await,
    );
    assert!(message.ends_with("(if it is a Sentinel, set views.redis.topology: Sentinel)"), "{message}");

    let data = open(&users, &with(|_| {})).await.unwrap();
    assert_eq!(visits(&data, 1).await, 7);
    eventually("the Sentinel knows the replica", async || {
        let replicas = sentinel.execute(&["SENTINEL", "REPLICAS", "main"]).await;
        format!("{replicas:?}").contains(&replica.port().to_string())
    })
    .await;
    master.kill();
    eventually("the replica is the master", async || {
        let info = replica.text(&["INFO", "replication"]).await;
        info.contains("role:master")
    })
    .await;
    replica.execute(&["SET", "U:1:VISITS", "8"]).await;
    eventually("views are read from the new master", async || visits(&data, 1).await == 8).await;
}
