//! Page views in a real Redis.

mod access;
mod cluster;
mod proxy;
mod sentinel;
mod tls;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use user_info_api::config::{self, Views};
use user_info_services::data::{ConnectError, Data, PageViews, SAMPLES, SeedError, Seeded, seed};
use user_info_testing::redis::Redis;
use user_info_testing::wait::eventually;

use super::{in_memory, metrics, open, visits, wrong};

fn redis(server: &Redis) -> Views {
    Views { redis: Some(server.config()), memory: false }
}

#[tokio::test]
async fn views_that_are_no_numbers_count_as_none() {
    let server = Redis::start().await;
    let (users, _) = in_memory();
    server.execute(&["SET", "U:1:VISITS", "10086"]).await;
    server.execute(&["SET", "U:2:VISITS", "many"]).await;
    server.execute(&["LPUSH", "U:3:VISITS", "1"]).await;
    server.execute(&["SET", "U:4:VISITS", "-5"]).await;
    let data = open(&users, &redis(&server)).await.unwrap();
    let views = join_all((1..=5).map(|id| visits(&data, id))).await;
    assert_eq!(views, [10086, 0, 0, -5, 0]);
    assert_eq!(data.status()[1].last_error, None);
}

#[tokio::test]
async fn users_are_answered_without_redis() {
    let mut server = Redis::start().await;
    let (users, _) = in_memory();
    let metrics = metrics();
    server.execute(&["SET", "U:1:VISITS", "10086"]).await;
    let data = Data::open(&users, &redis(&server), &metrics).await.unwrap();
    assert_eq!(visits(&data, 1).await, 10086);

    // Closed and back in between: not noticed.
    server.kill();
    server.restart().await;
    server.execute(&["SET", "U:1:VISITS", "2"]).await;
    assert_eq!(visits(&data, 1).await, 2);
    assert_eq!(metrics.views_unavailable.get(), 0);

    server.kill();
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(visits(&data, 1).await, 0);
    }
    assert!(start.elapsed() < Duration::from_secs(1), "100 reads took {:?}", start.elapsed());
    assert_eq!(metrics.views_unavailable.get(), 100);
    server.restart().await;
    server.execute(&["SET", "U:1:VISITS", "3"]).await;
    eventually("views are read again", async || visits(&data, 1).await == 3).await;

    server.pause();
    let start = Instant::now();
    assert_eq!(visits(&data, 1).await, 0);
    assert!(start.elapsed() < Duration::from_millis(500), "took {:?}", start.elapsed());
    server.resume();
    eventually("views are read again", async || visits(&data, 1).await == 3).await;
}

#[tokio::test]
async fn what_is_wrong_with_redis_is_said() {
    let server = Redis::start_with_password(Some("right")).await;
    let (users, _) = in_memory();
    let dir = tempfile::tempdir().unwrap();
    let password_file = dir.path().join("password");

    let message = wrong(open(&users, &redis(&server)).await);
    assert!(message.ends_with("(check views.redis.username and the password file)"), "{message}");
    let mut views = redis(&server);
    views.redis.as_mut().unwrap().password_file = Some(password_file.clone());
    let message = wrong(open(&users, &views).await);
    assert!(message.contains("views.redis.passwordFile: cannot read"), "{message}");
    std::fs::write(&password_file, "wrong").unwrap();
    let message = wrong(open(&users, &views).await);
    assert!(message.ends_with("(check views.redis.username and the password file)"), "{message}");
    std::fs::write(&password_file, "right").unwrap();
    assert_eq!(visits(&open(&users, &views).await.unwrap(), 1).await, 0);
    views.redis.as_mut().unwrap().database = 200;
    let message = wrong(open(&users, &views).await);
    assert!(message.ends_with("(check views.redis.database)"), "{message}");
}

#[tokio::test]
async fn samples_are_written_without_redis_if_their_views_are_optional() {
    let mut server = Redis::start().await;
    let (users, _) = in_memory();
    assert_eq!(seed(&users, &redis(&server), PageViews::Omitted).await.unwrap(), Seeded { users: 0, views: 0 });
    assert_eq!(seed(&users, &redis(&server), PageViews::Optional).await.unwrap(), Seeded { users: 0, views: 10 });
    server.kill();
    assert_eq!(seed(&users, &redis(&server), PageViews::Optional).await.unwrap(), Seeded { users: 0, views: 0 });
    assert!(matches!(seed(&users, &redis(&server), PageViews::Required).await, Err(SeedError::Connect(_))));
    server.restart().await;
    server.pause();
    assert_eq!(seed(&users, &redis(&server), PageViews::Optional).await.unwrap(), Seeded { users: 0, views: 0 });
}
