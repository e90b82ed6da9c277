//! Listens on an address, or says what is in the way.

use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

/// Connections that may wait to be accepted.
const BACKLOG: i32 = 1024;

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("{field}: cannot listen on {address}: {}", explain(source))]
pub struct BindError {
    field: &'static str,
    address: SocketAddr,
    source: std::io::Error,
}

fn explain(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => "another process has this port; stop it or choose another port".to_owned(),
        std::io::ErrorKind::PermissionDenied => "not allowed; ports below 1024 need a privilege, choose a higher one".to_owned(),
        std::io::ErrorKind::AddrNotAvailable => "no interface of this machine has this address; 0.0.0.0 listens on all".to_owned(),
        _ => error.to_string(),
    }
}

/// Binds one address. It is bound alone: a second process on the same port is an error, never a silent share of the connections.
///
/// # Errors
/// If the address cannot be had; the error names `field`.
pub fn bind(field: &'static str, address: SocketAddr) -> Result<TcpListener, BindError> {
    let bind = || {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_reuse_address(true)?; // connections of an earlier run that linger are no obstacle
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(TcpListener::from(socket))
    };
    bind().map_err(|source| BindError { field, address, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_an_error_that_says_so() {
        let first = bind("server.grpc.listen", ([127, 0, 0, 1], 0).into()).expect("a free port");
        let address = first.local_addr().expect("bound");
        let error = bind("server.grpc.listen", address).expect_err("taken").to_string();
        let expected = "another process has this port; stop it or choose another port";
        assert_eq!(error, format!("server.grpc.listen: cannot listen on {address}: {expected}"));
    }
}
