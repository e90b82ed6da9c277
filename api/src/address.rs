//! Addresses of servers and URLs, each as a parser, which needs no regular expressions, and as the pattern that schemas carry.
//!
//! What is no address is told by [`advice`]: what is wrong with it, and what was meant. A test compares parsers and patterns for random text.

pub(crate) mod advice;
mod listen;

use std::net::{Ipv4Addr, Ipv6Addr};

pub use self::listen::listen;
pub(crate) use self::listen::read_listen;

/// An IPv4 address.
macro_rules! ipv4 {
    () => {
        r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
    };
}

/// A name of a host: not of digits and dots alone, which would be an IPv4 address.
macro_rules! name {
    () => {
        "[-._0-9A-Za-z]*[-_A-Za-z][-._0-9A-Za-z]*"
    };
}

/// What looks like an IPv6 address. The parser reads it.
macro_rules! ipv6 {
    () => {
        "[0-9A-Fa-f.]*(?::[0-9A-Fa-f.]*){2,8}"
    };
}

/// The interface of a link-local IPv6 address.
macro_rules! zone {
    () => {
        "(?:%[0-9A-Za-z._~-]+)?"
    };
}

/// A host name, an IPv4 address, or an IPv6 address in brackets with an optional zone.
macro_rules! host {
    () => {
        concat!("(?:", name!(), "|", ipv4!(), r"|\[", ipv6!(), zone!(), r"\])")
    };
}

/// The same without a zone, which URLs do not have.
macro_rules! url_host {
    () => {
        concat!("(?:", name!(), "|", ipv4!(), r"|\[", ipv6!(), r"\])")
    };
}

/// A number from 1 to 65535; zeros may stand before it.
macro_rules! port {
    () => {
        "0*(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
    };
}

/// The pattern of what [`host_port`] reads.
pub const HOST_PORT: &str = concat!("^", host!(), ":", port!(), "$");

/// The pattern of one to sixteen [`HOST_PORT`], with commas between them.
pub const HOST_PORTS: &str = concat!("^", host!(), ":", port!(), "(?:,", host!(), ":", port!(), "){0,15}$");

/// The pattern of what [`host_port`] reads, or the absolute path of a Unix socket.
pub const HOST_PORT_OR_SOCKET: &str = concat!(r"^(?:/[\s\S]*\S|", host!(), ":", port!(), ")$");

/// The pattern of a host without a port: a name, or an IP address without brackets.
pub const HOST: &str = concat!("^(?:", name!(), "|", ipv4!(), "|", ipv6!(), zone!(), ")$");

/// The pattern of a host that others are told, with or without a port.
pub const ADVERTISED: &str = concat!("^(?:", host!(), "(?::", port!(), ")?|", ipv6!(), zone!(), ")$");

/// The pattern of an address on the web, with a host and perhaps a port and a path.
pub const URL: &str = concat!("^https?://", url_host!(), "(?::", port!(), r")?(?:/\S*)?$");

/// The pattern of the address of a collector of traces: `http://` or `https://`, a host, and perhaps a port and a slash.
pub const COLLECTOR: &str = concat!("^https?://", url_host!(), "(?::", port!(), ")?/?$");

/// Reads `host:port`: the host, without the brackets of an IPv6 address, and the port, 1 to 65535.
///
/// The host is not looked up, so a name that nobody has is read, too.
///
/// ```
/// use user_info_api::address::host_port;
///
/// assert_eq!(host_port("db.example.com:3306"), Some(("db.example.com", 3306)));
/// assert_eq!(host_port("[::1]:3306"), Some(("::1", 3306)));
/// assert_eq!(host_port("db:70000"), None);
/// ```
pub fn host_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    Some((bracketed_or_name(host)?, port_number(port)?))
}

/// Whether `text` is one or more addresses with commas between them, as [`HOST_PORTS`] has them.
pub(crate) fn is_host_ports(text: &str) -> bool {
    text.split(',').count() <= 16 && text.split(',').all(|one| host_port(one).is_some())
}

/// Whether `text` is `host:port`, as [`host_port`] reads it, or the absolute path of a Unix socket.
pub(crate) fn is_host_port_or_socket(text: &str) -> bool {
    match text.strip_prefix('/') {
        Some(path) => path.chars().next_back().is_some_and(|last| !last.is_whitespace()),
        None => host_port(text).is_some(),
    }
}

/// Whether `text` is a name, or an IP address without brackets.
pub(crate) fn is_host(text: &str) -> bool {
    is_name(text) || is_ipv6(text)
}

/// Whether `text` is a host with or without a port; without one, an IPv6 address may do without brackets.
pub(crate) fn is_advertised(text: &str) -> bool {
    bracketed_or_name(text).is_some() || is_ipv6(text) || host_port(text).is_some()
}

/// Whether `text` is an address on the web, with a host and perhaps a port and a path.
pub(crate) fn is_url(text: &str) -> bool {
    url_parts(text).is_some_and(|(authority, path)| is_authority(authority) && !path.contains(char::is_whitespace))
}

/// Whether `text` is the address of a collector of traces: a URL with a host, perhaps a port, and no path.
pub(crate) fn is_collector(text: &str) -> bool {
    url_parts(text).is_some_and(|(authority, path)| is_authority(authority) && ["", "/"].contains(&path))
}

/// A URL's host and port, and what follows from the first slash on.
fn url_parts(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
    Some(rest.split_at(rest.find('/').unwrap_or(rest.len())))
}

/// A host, perhaps with a port, and without a zone.
fn is_authority(text: &str) -> bool {
    !text.contains('%') && (bracketed_or_name(text).is_some() || host_port(text).is_some())
}

fn port_number(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0)
}

fn bracketed_or_name(host: &str) -> Option<&str> {
    match host.strip_prefix('[') {
        Some(literal) => literal.strip_suffix(']').filter(|literal| is_ipv6(literal)),
        None => Some(host).filter(|host| is_name(host)),
    }
}

/// Whether `host` is a name or an IPv4 address.
fn is_name(host: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
    !host.is_empty() && host.bytes().all(allowed) && (!is_numeric(host) || host.parse::<Ipv4Addr>().is_ok())
}

/// Whether `host` consists of digits and dots, as no name does.
fn is_numeric(host: &str) -> bool {
    host.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

fn is_ipv6(literal: &str) -> bool {
    let (address, zone) = literal.split_once('%').map_or((literal, None), |(address, zone)| (address, Some(zone)));
    let is_zone = |zone: &str| !zone.is_empty() && zone.bytes().all(|b| b.is_ascii_alphanumeric() || b"._~-".contains(&b));
    address.parse::<Ipv6Addr>().is_ok() && zone.is_none_or(is_zone)
}

#[cfg(test)]
mod tests;
