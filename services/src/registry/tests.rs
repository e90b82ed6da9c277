use prometheus::Registry;
use user_info_api::config::Dns;

use super::*;

fn metrics() -> DiscoveryMetrics {
    DiscoveryMetrics::new(&Registry::new()).expect("fresh registry")
}

#[tokio::test]
async fn a_fixed_list_is_there_at_once_and_its_task_ends() {
    let discovery = Discovery { addresses: vec!["b:1".to_owned(), "a:1".to_owned()], ..Discovery::default() };
    let (receiver, task) = discover(&discovery, false, metrics()).expect("valid");
    let found: Vec<_> = receiver.borrow().instances.iter().map(|n| n.address.clone()).collect();
    assert_eq!(found, ["a:1", "b:1"]);
    drop(receiver);
    task.await.expect("ends");
}

#[tokio::test]
async fn dns_names_are_followed_and_the_task_ends() {
    let dns = Dns { host: "localhost".to_owned(), port: 9001, interval: user_info_api::Duration::from_secs(3600) };
    let (mut receiver, task) = discover(&Discovery { dns: Some(dns), ..Discovery::default() }, false, metrics()).expect("valid");
    receiver.wait_for(|d| !d.instances.is_empty()).await.expect("open");
    assert!(receiver.borrow().instances.iter().all(|n| n.address.ends_with(":9001")));
    drop(receiver);
    task.await.expect("ends");
}
