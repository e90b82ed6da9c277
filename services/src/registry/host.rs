//! The address that others are told for a listener.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use if_addrs::Interface;
use user_info_api::config::Listener;

/// What others are told of a listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advertised {
    /// `host:port`.
    pub address: String,
    /// Whether this is a loopback address for want of a better one: callers on other machines do not reach it.
    pub is_last_resort: bool,
}

impl Advertised {
    /// Warns if this is a last resort; `field` is the one that would mend it.
    pub fn warn(&self, field: &str) {
        if self.is_last_resort {
            let told = &self.address;
            tracing::warn!(field, told, "this machine has no address that callers elsewhere reach; set the field to one");
        }
    }
}

/// Returns the `host:port` under which callers reach `listener`, which is bound to `bound`.
///
/// The host is `advertise` if set, else the bound address, else (bound to all addresses) the first one of this machine: of IPv4 as Kratos
/// chooses it, that is not loopback, on the interface with the lowest index that is up; if there is none, and the listener takes IPv6, of
/// IPv6 in the same order, of which global ones come before unique local ones. A machine without one is told as loopback.
pub fn advertised(listener: &Listener, bound: SocketAddr) -> Advertised {
    match &listener.advertise {
        Some(advertise) => Advertised { address: with_port(advertise, bound.port()), is_last_resort: false },
        None if bound.ip().is_unspecified() => {
            let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
            let found = first(&interfaces, bound.is_ipv6());
            let host = found.unwrap_or_else(|| loopback(&interfaces, bound.is_ipv6()));
            Advertised { address: SocketAddr::from((host, bound.port())).to_string(), is_last_resort: found.is_none() }
        }
        None => Advertised { address: bound.to_string(), is_last_resort: false },
    }
}

/// Name of this machine, or `localhost` if it is not text.
pub fn hostname() -> String {
    rustix::system::uname().nodename().to_str().unwrap_or("localhost").to_owned()
}

/// Completes `host`, `host:port`, an IPv6 address or `[IPv6]:port` to an address with a port.
fn with_port(advertise: &str, port: u16) -> String {
    if let Ok(ip) = advertise.trim_matches(['[', ']']).parse::<IpAddr>() {
        return SocketAddr::from((ip, port)).to_string();
    }
    match advertise.rsplit_once(':') {
        Some((_, given)) if given.parse::<u16>().is_ok() => advertise.to_owned(),
        _ => format!("{advertise}:{port}"),
    }
}

/// The first address of this machine that callers elsewhere may reach.
fn first(interfaces: &[Interface], ipv6: bool) -> Option<IpAddr> {
    let usable = |interface: &Interface| {
        let rank = rank(interface.ip()).filter(|_| interface.is_oper_up() && (ipv6 || interface.ip().is_ipv4()))?;
        Some(((rank, interface.index.unwrap_or(u32::MAX)), interface.ip()))
    };
    // Of equals the first stays.
    interfaces.iter().filter_map(usable).min_by_key(|(order, _)| *order).map(|(_, ip)| ip)
}

/// How gladly an address is told, the least first; none if nobody elsewhere can call it.
fn rank(ip: IpAddr) -> Option<u8> {
    match ip {
        IpAddr::V4(ip) => (!ip.is_loopback() && !ip.is_link_local() && !ip.is_unspecified() && !ip.is_multicast()).then_some(0),
        IpAddr::V6(ip) if ip.is_unique_local() => Some(2),
        // 2000::/3 is all of the global unicast addresses that are given out (RFC 4291, IANA).
        IpAddr::V6(ip) => (ip.segments()[0] >> 13 == 1).then_some(1),
    }
}

/// The address for callers on this machine: of IPv4, unless it has none.
fn loopback(interfaces: &[Interface], ipv6: bool) -> IpAddr {
    let has_ipv4 = interfaces.is_empty() || interfaces.iter().any(|interface| interface.ip().is_ipv4());
    if ipv6 && !has_ipv4 { Ipv6Addr::LOCALHOST.into() } else { Ipv4Addr::LOCALHOST.into() }
}

#[cfg(test)]
mod tests;
