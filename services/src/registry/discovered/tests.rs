use prometheus::Registry;

use super::*;

fn publisher() -> (Publisher, watch::Receiver<Discovered>) {
    Publisher::new("bbs.user.info", DiscoveryMetrics::new(&Registry::new()).expect("fresh registry"))
}

fn instances(addresses: &[&str]) -> Vec<DiscoveredInstance> {
    addresses.iter().map(|a| DiscoveredInstance::at((*a).to_owned())).collect()
}

fn addresses(receiver: &watch::Receiver<Discovered>) -> Vec<String> {
    receiver.borrow().instances.iter().map(|n| n.address.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn wakes_receivers_on_changes_only() {
    let (publisher, mut receiver) = publisher();
    publisher.found(instances(&["b:1", "a:1", "b:1"]), 0);
    assert!(receiver.has_changed().expect("open"));
    assert_eq!(addresses(&receiver), ["a:1", "b:1"]);
    let before = receiver.borrow_and_update().instances.clone();

    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(receiver.borrow().age(Instant::now()), Some(Duration::from_secs(5)));
    publisher.found(instances(&["a:1", "b:1"]), 0);
    assert!(!receiver.has_changed().expect("open"));
    assert_eq!(receiver.borrow().age(Instant::now()), Some(Duration::ZERO));
    assert!(Arc::ptr_eq(&before, &receiver.borrow().instances));
}

#[tokio::test(start_paused = true)]
async fn keeps_the_last_list_when_there_is_no_better_one() {
    let (publisher, mut receiver) = publisher();
    publisher.found(instances(&["a:1"]), 0);
    receiver.mark_unchanged();

    publisher.found(Vec::new(), 0);
    assert_eq!(receiver.borrow_and_update().problem, Some(Problem::Empty));
    assert_eq!(addresses(&receiver), ["a:1"]);
    publisher.found(Vec::new(), 0);
    assert!(!receiver.has_changed().expect("open"), "the same problem is told once");

    publisher.failed(&"connection refused");
    assert_eq!(receiver.borrow_and_update().problem, Some(Problem::Failed("connection refused".to_owned())));
    assert_eq!(addresses(&receiver), ["a:1"]);

    publisher.found(instances(&["a:1"]), 0);
    assert!(receiver.has_changed().expect("open"), "that all is well again is news");
    assert_eq!(receiver.borrow().problem, None);
    assert_eq!((publisher.metrics.failures.get(), publisher.metrics.instances.get()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn invalid_entries_are_counted_and_their_change_wakes_receivers() {
    let (publisher, mut receiver) = publisher();
    for (invalid, changed) in [(1, true), (1, false), (0, true)] {
        publisher.found(instances(&["a:1"]), invalid);
        assert_eq!(receiver.has_changed().expect("open"), changed);
        assert_eq!(receiver.borrow_and_update().invalid, invalid);
        assert_eq!(publisher.metrics.invalid.get(), i64::try_from(invalid).expect("small"));
    }
    publisher.found(Vec::new(), 2);
    assert_eq!(receiver.borrow_and_update().invalid, 2, "also if nothing else is left");
}

#[test]
fn the_first_of_an_address_wins() {
    let first = DiscoveredInstance { weight: 7, ..DiscoveredInstance::at("a:1".to_owned()) };
    let kept = one_an_address(vec![first.clone(), DiscoveredInstance::at("a:1".to_owned())]);
    assert_eq!(kept, [first]);
}
