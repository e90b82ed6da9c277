//! What the services are measured with and against, and parts of them to measure alone.

pub mod bare;
pub mod load;
pub mod scenarios;

use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

/// Serves `routes` with tonic's own server, on a runtime of one thread, for ever.
///
/// # Panics
/// If the address cannot be had.
pub fn serve(address: &str, routes: impl AsyncFnOnce() -> Routes) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await.expect("a free port");
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        let server = Server::builder().max_concurrent_streams(1024).add_routes(routes().await);
        server.serve_with_incoming(incoming).await.expect("serves");
    });
}

/// The address in the first argument.
///
/// # Panics
/// If there is none.
pub fn address() -> String {
    std::env::args().nth(1).expect("usage: PROGRAM HOST:PORT")
}
