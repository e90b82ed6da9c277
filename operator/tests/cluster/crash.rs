//! The operator is killed at each of its writes, before or after the API server has seen it; another one finishes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Method;
use kube::Client;
use serde_json::json;
use user_info_testing::wait::eventually;

use crate::acceptance::essence;
use crate::harness::{LIMIT, Place};
use crate::intercept::{self, Fate};
use crate::ownership::unsettled;

/// A client that lets the first writes pass and fails all further ones; with how many are left. The last of the first ones has no answer, and
/// `reaches` the API server or not.
async fn failing(writes: usize, reaches: bool) -> (Client, Arc<AtomicUsize>) {
    let left = Arc::new(AtomicUsize::new(writes));
    let counted = Arc::clone(&left);
    let client = intercept::client(move |request| {
        if request.method() == Method::GET {
            return Fate::Sent;
        }
        match counted.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).unwrap_or(0) {
            0 => Fate::Unanswered { reaches: false },
            1 => Fate::Unanswered { reaches },
            _ => Fate::Sent,
        }
    });
    (client.await, left)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster: make test-cluster"]
async fn killed_at_any_write_another_one_finishes() {
    let spec = json!({"replicas": 2, "networkPolicy": {"enabled": true}});
    let place = Place::new().await;
    let operator = place.operator();
    place.apply(spec.clone()).await.expect("taken");
    place.settled().await;
    let expected = essence(&place).await;
    operator.stop().await;

    // Each of the first objects takes three writes; of the others, some.
    for (writes, reaches) in (1..=14).chain((15..=36).step_by(3)).flat_map(|writes| [(writes, false), (writes, true)]) {
        let place = Place::new().await;
        let (client, left) = failing(writes, reaches).await;
        let doomed = place.operator_with(client);
        place.apply(spec.clone()).await.expect("taken");
        let dead = async || (left.load(Ordering::SeqCst) == 0).then_some(());
        let _ = tokio::time::timeout(LIMIT, eventually("its last write", dead)).await;
        doomed.kill().await;
        let operator = place.operator();
        let what = format!("end as undisturbed, killed at write {writes}, reaches: {reaches}");
        eventually(&what, async || (essence(&place).await == expected).then_some(())).await;
        place.settled().await;
        assert_eq!(unsettled(&place).await, BTreeMap::new(), "{what}");
        operator.stop().await;
    }
}
