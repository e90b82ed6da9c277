//! The floor: a server and a client of tonic with no layer, no store, no balancing and no metrics.

use std::cell::Cell;
use std::rc::Rc;

use tokio::task::LocalSet;
use tonic::service::Routes;
use tonic::transport::Endpoint;
use tonic::{Request, Response, Status};
use user_info_proto::user_info_client::UserInfoClient;
use user_info_proto::user_info_server::{UserInfo, UserInfoServer};
use user_info_proto::{GetUserInfoReply, GetUserInfoRequest, User};

struct Bare;

#[tonic::async_trait]
impl UserInfo for Bare {
    async fn get_user_info(&self, request: Request<GetUserInfoRequest>) -> Result<Response<GetUserInfoReply>, Status> {
        let user = User {
            user_id: request.into_inner().user_id,
            name: "hutao".to_owned(),
            ip: String::new(),
            email: "hutao@wangshengtang.com".to_owned(),
            visits: 10086,
        };
        Ok(Response::new(GetUserInfoReply { user: Some(user), ip_addr: "127.0.0.1:9001".to_owned() }))
    }
}

/// Serves a constant reply at `address` for ever.
///
/// # Panics
/// If the address cannot be had.
pub fn serve(address: &str) {
    crate::serve(address, async || Routes::new(UserInfoServer::new(Bare)));
}

/// Makes `calls` to the server at `url` over one channel, `concurrency` at a time: a closed loop.
///
/// # Panics
/// If the server does not answer.
pub async fn call(url: String, calls: u64, concurrency: usize) {
    let endpoint = Endpoint::new(url).expect("a URL").tcp_nodelay(true);
    let client = UserInfoClient::new(endpoint.connect().await.expect("connects"));
    let left = Rc::new(Cell::new(calls));
    let local = LocalSet::new();
    for _ in 0..concurrency {
        let (mut client, left) = (client.clone(), Rc::clone(&left));
        local.spawn_local(async move {
            while let Some(rest) = left.get().checked_sub(1) {
                left.set(rest);
                client.get_user_info(GetUserInfoRequest { user_id: 1 }).await.expect("a reply");
            }
        });
    }
    local.await;
}
