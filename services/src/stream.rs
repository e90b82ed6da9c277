//! What a connection is made of, whichever end of it this is.

use tokio::io::{AsyncRead, AsyncWrite};

/// What bytes are read from and written to: a TCP connection, or TLS on one.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send + 'static> Stream for T {}
