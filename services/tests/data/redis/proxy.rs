//! Proxies that know few commands.

use user_info_testing::nutcracker::Nutcracker;

use super::*;

#[tokio::test]
async fn d5_a_twemproxy_stands_for_its_servers() {
    let servers = [Redis::start().await, Redis::start().await];
    let proxy = Nutcracker::start(&[&servers[0], &servers[1]], &[]).await;
    let (users, _) = in_memory();
    let views = Views { redis: Some(config::Redis { address: proxy.address.to_string(), ..config::Redis::default() }), memory: false };
    assert_eq!(seed(&users, &views, PageViews::Required).await.unwrap(), Seeded { users: 0, views: 10 });
    let data = open(&users, &views).await.unwrap();
    let read = join_all((1..=10).map(|id| visits(&data, id))).await;
    assert_eq!(read, SAMPLES.map(|sample| sample.visits));
    assert_eq!(data.status()[1].last_error, None);
    for server in &servers {
        assert_ne!(server.execute(&["DBSIZE"]).await, ::redis::Value::Int(0), "the proxy divides the keys");
    }
}

#[tokio::test]
async fn d5_a_twemproxy_may_ask_for_a_password() {
    let server = Redis::start_with_password(Some("secret")).await;
    server.execute(&["SET", "U:1:VISITS", "7"]).await;
    let proxy = Nutcracker::start(&[&server], &["redis_auth: secret"]).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("password");
    let (users, _) = in_memory();
    let redis = config::Redis { address: proxy.address.to_string(), password_file: Some(file.clone()), ..config::Redis::default() };
    let views = Views { redis: Some(redis), memory: false };
    std::fs::write(&file, "secret").unwrap();
    assert_eq!(visits(&open(&users, &views).await.unwrap(), 1).await, 7);
    std::fs::write(&file, "wrong").unwrap();
    let message = wrong(open(&users, &views).await);
    assert!(message.ends_with("(check views.redis.username and the password file)"), "{message}");
}
