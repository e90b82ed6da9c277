//! Binds the listeners before anything is started.

use std::net::TcpListener;

use user_info_api::config::Server;

use crate::process::{BindError, bind};

/// The listeners of `user_info`, bound.
#[derive(Debug)]
pub struct Listeners {
    /// gRPC.
    pub grpc: TcpListener,
    /// HTTP.
    pub http: TcpListener,
    /// Admin endpoints alone.
    pub admin: Option<TcpListener>,
}

impl Listeners {
    /// Binds them all.
    ///
    /// # Errors
    /// At the first address that cannot be had.
    pub fn bind(server: &Server) -> Result<Self, BindError> {
        Ok(Self {
            grpc: bind("server.grpc.listen", server.grpc.listen)?,
            http: bind("server.http.listen", server.http.listen)?,
            admin: server.admin.as_ref().map(|l| bind("server.admin.listen", l.listen)).transpose()?,
        })
    }
}
