//! The same layers before plain reads: a pool of MySQL connections and one multiplexed Redis connection, a query and a GET a call.
//!
//! Usage: pooled GRPC-HOST:PORT HTTP-HOST:PORT MYSQL-URL REDIS-URL

use axum::serve::ListenerExt;
use sqlx::mysql::MySqlPoolOptions;
use tokio::net::TcpListener;
use tonic::service::Routes;
use user_info_layers::{Call, Error};
use user_info_proto::{GetUserInfoReply, GetUserInfoRequest, User};
use user_info_services::error::{STORE_UNAVAILABLE, USER_NOT_FOUND};
use user_info_services::server::grpc::Grpc;
use user_info_services::server::{Capacity, http};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    user_info_bench::serve(&user_info_bench::address(), async || {
        let argument = |n| std::env::args().nth(n).expect("usage: pooled GRPC-HOST:PORT HTTP-HOST:PORT MYSQL-URL REDIS-URL");
        let pool = MySqlPoolOptions::new().max_connections(16).connect(&argument(3)).await.expect("MySQL answers");
        let client = redis::Client::open(argument(4)).expect("a Redis URL");
        let views = client.get_multiplexed_async_connection().await.expect("Redis answers");
        let read = tower::service_fn(move |call: Call<GetUserInfoRequest>| {
            let (pool, mut views) = (pool.clone(), views.clone());
            async move {
                let user_id = call.message.user_id;
                let query = sqlx::query_as("SELECT name, email FROM user_info WHERE id = ?").bind(user_id);
                let key = format!("U:{user_id}:VISITS");
                let mut get = redis::cmd("GET");
                let get = get.arg(key);
                let (user, visits) = tokio::join!(query.fetch_optional(&pool), get.query_async::<Option<i64>>(&mut views));
                let (name, email): (String, String) = user.map_err(|_| STORE_UNAVAILABLE)?.ok_or(USER_NOT_FOUND)?;
                let visits = visits.ok().flatten().unwrap_or_default();
                let user = User { user_id, name, ip: String::new(), email, visits };
                Ok::<_, Error>(GetUserInfoReply { user: Some(user), ip_addr: "127.0.0.1:9001".to_owned() })
            }
        });
        let stack = user_info_bench::scenarios::stack(read);
        let listener = TcpListener::bind(argument(2)).await.expect("a free port").tap_io(|stream| drop(stream.set_nodelay(true)));
        tokio::spawn(axum::serve(listener, http::router(stack.clone(), false, Capacity::unbounded(), axum::Router::new())).into_future());
        Routes::new(Grpc::new(stack, Capacity::unbounded()))
    });
}
