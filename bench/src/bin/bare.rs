//! A tonic handler that answers a constant, with no layer and no store: the floor.

use tonic::service::Routes;
use tonic::{Request, Response, Status};
use user_info_proto::user_info_server::{UserInfo, UserInfoServer};
use user_info_proto::{GetUserInfoReply, GetUserInfoRequest, User};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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

fn main() {
    user_info_bench::serve(&user_info_bench::address(), async || Routes::new(UserInfoServer::new(Bare)));
}
