//! The address that others are told for a listener.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use if_addrs::Interface;
use user_info_api::config::Listener;

/// Returns `host:port` under which callers reach `listener`, which is bound to `bound`.
///
/// The host is `advertise` if set, else the bound address, else (bound to all addresses) the first IPv4 address of this machine as Kratos
/// chooses it: not loopback, on the interface with the lowest index that is up. A machine without one is told as 127.0.0.1.
pub fn advertised(listener: &Listener, bound: SocketAddr) -> String {
    match &listener.advertise {
        Some(advertise) => with_port(advertise, bound.port()),
        None if bound.ip().is_unspecified() => {
            let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
            SocketAddr::from((first_ipv4(&interfaces).unwrap_or(Ipv4Addr::LOCALHOST), bound.port())).to_string()
        }
        None => bound.to_string(),
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

fn first_ipv4(interfaces: &[Interface]) -> Option<Ipv4Addr> {
    let usable = |interface: &Interface| match interface.ip() {
        IpAddr::V4(ip) if interface.is_oper_up() && !ip.is_loopback() && !ip.is_link_local() => Some((interface.index, ip)),
        _ => None,
    };
    interfaces.iter().filter_map(usable).min_by_key(|(index, _)| index.unwrap_or(u32::MAX)).map(|(_, ip)| ip)
}

#[cfg(test)]
mod tests {
    use if_addrs::{IfAddr, IfOperStatus, Ifv4Addr};

    use super::*;

    fn interface(index: u32, ip: [u8; 4], oper_status: IfOperStatus) -> Interface {
        let v4 = Ifv4Addr { ip: ip.into(), netmask: [255, 255, 255, 0].into(), prefixlen: 24, broadcast: None };
        Interface { name: format!("eth{index}"), addr: IfAddr::V4(v4), index: Some(index), oper_status, is_p2p: false }
    }

    #[test]
    fn takes_the_lowest_interface_that_is_up() {
        let all = [
            interface(4, [10, 0, 0, 4], IfOperStatus::Up),
            interface(2, [10, 0, 0, 2], IfOperStatus::Down),
            interface(1, [127, 0, 0, 1], IfOperStatus::Up),
            interface(3, [10, 0, 0, 3], IfOperStatus::Up),
        ];
        assert_eq!(first_ipv4(&all), Some([10, 0, 0, 3].into()));
        assert_eq!(first_ipv4(&all[1..3]), None);
    }

    #[test]
    fn completes_what_is_advertised() {
        let bound = SocketAddr::from(([0, 0, 0, 0], 9001));
        for (advertise, told) in [
            ("pod.example", "pod.example:9001"),
            ("pod.example:19001", "pod.example:19001"),
            ("10.0.0.7", "10.0.0.7:9001"),
            ("::1", "[::1]:9001"),
            ("[::1]", "[::1]:9001"),
            ("[::1]:19001", "[::1]:19001"),
        ] {
            let listener = Listener { listen: bound, advertise: Some(advertise.to_owned()) };
            assert_eq!(advertised(&listener, bound), told);
        }
    }

    #[test]
    fn tells_the_bound_address_unless_it_is_all_of_them() {
        let one = SocketAddr::from(([127, 0, 0, 3], 9001));
        assert_eq!(advertised(&one.into(), one), "127.0.0.3:9001");
        let all = SocketAddr::from(([0, 0, 0, 0], 9001));
        let told = advertised(&all.into(), all);
        assert!(told.ends_with(":9001") && !told.starts_with("0.0.0.0"), "{told}");
    }
}
