//! A closed loop over one tonic channel, with no layer, no balancing and no metrics: the floor of `user_client`.
//!
//! Usage: `bare_client` URL CALLS CONCURRENCY

use std::cell::Cell;
use std::rc::Rc;

use tokio::task::LocalSet;
use tonic::transport::Endpoint;
use user_info_proto::GetUserInfoRequest;
use user_info_proto::user_info_client::UserInfoClient;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    let argument = |n| std::env::args().nth(n).expect("usage: bare_client URL CALLS CONCURRENCY");
    let count = |n| argument(n).parse::<u64>().expect("a number");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let endpoint = Endpoint::new(argument(1)).expect("a URL").tcp_nodelay(true);
        let client = UserInfoClient::new(endpoint.connect().await.expect("connects"));
        let left = Rc::new(Cell::new(count(2)));
        let callers: Vec<_> = (0..count(3))
            .map(|_| {
                let (mut client, left) = (client.clone(), Rc::clone(&left));
                tokio::task::spawn_local(async move {
                    while let Some(rest) = left.get().checked_sub(1) {
                        left.set(rest);
                        client.get_user_info(GetUserInfoRequest { user_id: 1 }).await.expect("a reply");
                    }
                })
            })
            .collect();
        for caller in callers {
            caller.await.expect("no panic");
        }
    });
}
