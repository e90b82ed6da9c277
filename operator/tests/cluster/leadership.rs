//! One leads, another stands by.

use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use user_info_operator::leader::{Leadership, Lease};
use user_info_testing::wait::stays;

use crate::harness::{LIMIT, Place};

/// A lease that is given back is taken up sooner than it would have run out.
const HAND_OVER: Duration = Duration::from_secs(5);

struct Candidate {
    leads: watch::Receiver<bool>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

async fn candidate(place: &Place, identity: &str) -> Candidate {
    let lease = Lease { namespace: place.namespace.clone(), name: "operator".to_owned(), identity: identity.to_owned() };
    let leadership = Leadership::new(place.client.clone(), place.client.clone(), lease).await.expect("a lease");
    let (sender, leads) = watch::channel(false);
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(leadership.keep(sender, async { drop(stopped.await) }));
    Candidate { leads, stop, task }
}

async fn elected(candidate: &mut Candidate) {
    let wait = candidate.leads.wait_for(|leads| *leads);
    drop(tokio::time::timeout(LIMIT, wait).await.expect("elected in time").expect("alive"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn one_leads_and_another_follows_when_it_stops_or_dies() {
    let place = Place::new().await;
    let mut first = candidate(&place, "first").await;
    elected(&mut first).await;
    let mut second = candidate(&place, "second").await;
    stays(&(true, false), Duration::from_secs(2), async || (*first.leads.borrow(), *second.leads.borrow())).await;
    let _ = first.stop.send(());
    first.task.await.expect("ends well");
    let given_back = Instant::now();
    elected(&mut second).await;
    assert!(given_back.elapsed() < HAND_OVER, "{:?}", given_back.elapsed());
    let mut third = candidate(&place, "third").await;
    second.task.abort();
    elected(&mut third).await;
    drop(third.stop);
    third.task.await.expect("ends well");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn it_can_be_stopped_at_any_time() {
    let place = Place::new().await;
    for pause in [0, 1, 2, 5, 10, 20, 50, 100, 200] {
        let operator = place.operator();
        tokio::time::sleep(Duration::from_millis(pause)).await;
        operator.stop().await;
    }
}
