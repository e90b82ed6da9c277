//! Addresses to listen on.

use std::net::SocketAddr;

use serde::{Deserialize, Deserializer};

use super::advice;

/// What such an address is called, and an example.
const WORDS: &str = "an IP address and a port, such as 0.0.0.0:9001";

/// Reads an IP address, one of IPv6 in brackets, and a port; port 0 is a free one.
///
/// # Errors
/// What is wrong with `text`, and what to write.
///
/// ```
/// use user_info_api::address::listen;
///
/// assert_eq!(listen("[::]:9001").map(|address| address.port()), Ok(9001));
/// let said = "\":9001\" is not an IP address and a port, such as 0.0.0.0:9001; the host is missing; write \"0.0.0.0:9001\"";
/// assert_eq!(listen(":9001"), Err(said.to_owned()));
/// ```
pub fn listen(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| advice::refusal(text, WORDS, &advice::of_listen(text)))
}

/// Reads a field of a config file as [`listen`] does.
pub(crate) fn read_listen<'de, D: Deserializer<'de>>(d: D) -> Result<SocketAddr, D::Error> {
    listen(&String::deserialize(d)?).map_err(serde::de::Error::custom)
}
