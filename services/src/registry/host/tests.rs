use if_addrs::{IfAddr, IfOperStatus, Ifv4Addr, Ifv6Addr};

use super::*;

/// `eth<index>` with the address `ip`.
fn interface(index: u32, ip: &str, oper_status: IfOperStatus) -> Interface {
    let addr = match ip.parse().expect("an address") {
        IpAddr::V4(ip) => IfAddr::V4(Ifv4Addr { ip, netmask: [255, 255, 255, 0].into(), prefixlen: 24, broadcast: None }),
        IpAddr::V6(ip) => IfAddr::V6(Ifv6Addr { ip, netmask: Ipv6Addr::UNSPECIFIED, prefixlen: 64, broadcast: None }),
    };
    Interface { name: format!("eth{index}"), addr, index: Some(index), oper_status, is_p2p: false }
}

fn up(index: u32, ip: &str) -> Interface {
    interface(index, ip, IfOperStatus::Up)
}

#[test]
fn takes_the_lowest_interface_that_is_up() {
    let all = [up(4, "10.0.0.4"), interface(2, "10.0.0.2", IfOperStatus::Down), up(1, "127.0.0.1"), up(3, "10.0.0.3")];
    for ipv6 in [false, true] {
        assert_eq!(first(&all, ipv6), Some([10, 0, 0, 3].into()));
        assert_eq!(first(&all[1..3], ipv6), None);
    }
}

#[test]
fn s4_a_host_with_ipv6_alone_is_told_by_its_own_address() {
    let (loopback, link_local) = (up(1, "::1"), up(2, "fe80::1"));
    for (more, of_all, of_ipv4) in [
        (vec![up(2, "2001:db8::7")], Some("2001:db8::7"), None),
        // Global before unique local, whatever the interface; of each kind the lowest interface, and the first on it.
        (vec![up(2, "fd00::7"), up(3, "2001:db8::7")], Some("2001:db8::7"), None),
        (vec![up(3, "2001:db8::8"), up(2, "2001:db8::7"), up(2, "2001:db8::9")], Some("2001:db8::7"), None),
        (vec![up(3, "fd00::8"), up(2, "fd00::7")], Some("fd00::7"), None),
        // IPv4 where there is some, as Kratos has it.
        (vec![up(2, "2001:db8::7"), up(3, "10.0.0.7")], Some("10.0.0.7"), Some("10.0.0.7")),
        (vec![up(2, "127.0.0.1"), up(3, "169.254.0.7"), up(4, "fd00::7")], Some("fd00::7"), None),
        // What nobody elsewhere can call.
        (vec![interface(2, "2001:db8::7", IfOperStatus::Down)], None, None),
        (vec![up(2, "::"), up(2, "ff02::1"), up(2, "::ffff:10.0.0.7"), up(2, "fec0::7"), up(2, "febf::7"), up(2, "100::7")], None, None),
        (vec![up(2, "127.0.0.1"), up(2, "224.0.0.1"), up(2, "0.0.0.0")], None, None),
        (vec![], None, None),
    ] {
        let all = [vec![loopback.clone(), link_local.clone()], more].concat();
        let told = |ipv6| first(&all, ipv6).map(|ip| ip.to_string());
        assert_eq!((told(true).as_deref(), told(false).as_deref()), (of_all, of_ipv4), "{all:?}");
    }
}

#[test]
fn s4_a_host_without_an_address_is_told_as_loopback() {
    let alone = |all: &[Interface]| [false, true].map(|ipv6| super::loopback(all, ipv6).to_string());
    assert_eq!(alone(&[up(1, "::1")]), ["127.0.0.1", "::1"]);
    assert_eq!(alone(&[up(1, "127.0.0.1"), up(1, "::1")]), ["127.0.0.1", "127.0.0.1"]);
    assert_eq!(alone(&[]), ["127.0.0.1", "127.0.0.1"]);
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
        assert_eq!(advertised(&listener, bound), Advertised { address: told.to_owned(), is_last_resort: false });
    }
}

#[test]
fn tells_the_bound_address_unless_it_is_all_of_them() {
    for one in ["127.0.0.3:9001", "[::1]:9001"] {
        let bound: SocketAddr = one.parse().expect("an address");
        assert_eq!(advertised(&bound.into(), bound), Advertised { address: one.to_owned(), is_last_resort: false });
    }
    for all in ["0.0.0.0:9001", "[::]:9001"] {
        let bound: SocketAddr = all.parse().expect("an address");
        let told = advertised(&bound.into(), bound).address;
        assert!(told.ends_with(":9001") && !told.starts_with("0.0.0.0") && !told.starts_with("[::]"), "{told}");
    }
}
