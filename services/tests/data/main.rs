//! The data path against real servers.

mod mysql;
mod redis;
mod sqlite;

use prometheus::Registry;
use user_info_api::config::{Users, Views};
use user_info_services::data::{ConnectError, Data, DataMetrics, LoadError, SAMPLES};

fn in_memory() -> (Users, Views) {
    (Users { memory: true, ..Users::default() }, Views { redis: None, memory: true })
}

fn metrics() -> DataMetrics {
    DataMetrics::new(&Registry::new()).expect("an empty registry")
}

async fn open(users: &Users, views: &Views) -> Result<Data, ConnectError> {
    Data::open(users, views, &metrics()).await
}

async fn name(data: &Data, id: i64) -> Result<Option<String>, LoadError> {
    Ok(data.get(id).await?.map(|(user, _)| user.name))
}

async fn visits(data: &Data, id: i64) -> i64 {
    data.get(id).await.expect("the users are in memory").expect("a sample user").1
}

fn hutao() -> Result<Option<String>, LoadError> {
    Ok(Some("hutao".to_owned()))
}

/// The message of a configuration error.
fn wrong(outcome: Result<Data, ConnectError>) -> String {
    match outcome {
        Err(ConnectError::Configuration(message)) => message,
        other => panic!("not a configuration error: {other:?}"),
    }
}

#[tokio::test]
async fn memory_holds_the_samples() {
    let (users, views) = in_memory();
    let data = open(&users, &views).await.unwrap();
    for sample in &SAMPLES {
        let (user, visits) = data.get(sample.id).await.unwrap().unwrap();
        assert_eq!((user.name.as_str(), user.email.as_str(), visits), (sample.name, sample.email, sample.visits));
    }
    assert_eq!(data.get(11).await, Ok(None));
}
