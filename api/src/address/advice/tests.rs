use super::*;

const TLS: &str = "TLS is a setting of its own";
const USER: &str = "leave out what stands before the @, user and password are settings of their own";

#[test]
fn c5_what_is_pasted_for_host_and_port_is_refused_with_what_to_write() {
    for (text, said) in [
        ("http://127.0.0.1:8500", format!("leave out http://, {TLS}; write \"127.0.0.1:8500\"")),
        ("https://consul.example.com", format!("leave out https://, {TLS}; the port is missing; write \"consul.example.com:8500\"")),
        ("HTTP://a:1/v1/", format!("leave out http://, {TLS}; leave out what follows the address; write \"a:1\"")),
        ("dns:///consul:8500", "leave out dns://; write \"consul:8500\"".to_owned()),
        ("tcp://a:1", "leave out tcp://; write \"a:1\"".to_owned()),
        ("a:1/", "leave out what follows the address; write \"a:1\"".to_owned()),
        ("me:secret@a:1", format!("{USER}; write \"a:1\"")),
        (" a:1\n", "leave out the spaces around it; write \"a:1\"".to_owned()),
        ("a b:8500", "an address has no spaces".to_owned()),
        ("consul", "the port is missing; write \"consul:8500\"".to_owned()),
        ("consul:", "the port is missing".to_owned()),
        (":8500", "the host is missing".to_owned()),
        ("", "the host is missing; the port is missing".to_owned()),
        ("a:99999", "port 99999 is out of range, allowed is 1 to 65535".to_owned()),
        ("a:0", "port 0 is out of range, allowed is 1 to 65535".to_owned()),
        ("a:-1", "port -1 is out of range, allowed is 1 to 65535".to_owned()),
        ("a:http", "port \"http\" is no number, allowed is 1 to 65535".to_owned()),
        ("::1", "an IPv6 address stands in brackets, and the port behind them; write \"[::1]:8500\"".to_owned()),
        ("2001:db8::7:9500", "an IPv6 address stands in brackets, and the port behind them; write \"[2001:db8::7]:9500\"".to_owned()),
        ("[::1]", "the port is missing; write \"[::1]:8500\"".to_owned()),
        ("[::g]:1", "\"[::g]\" is no IPv6 address in brackets, such as [::1]".to_owned()),
        ("10.0.0.256:1", "\"10.0.0.256\" is no IPv4 address".to_owned()),
        ("${HOST}:1", "this looks like a placeholder that was not filled in".to_owned()),
        ("a:1,b:2", "this is more than one address".to_owned()),
        ("höst:1", "the name of a host has letters, digits, '-', '.' and '_' only".to_owned()),
        ("/run/consul.sock", NO_SOCKET.to_owned()),
        ("unix:///run/consul.sock", NO_SOCKET.to_owned()),
    ] {
        assert!(host_port(text).is_none(), "{text}");
        assert_eq!(of_host_port(text, Some(8500)), said, "{text:?}");
    }
}

#[test]
fn c5_a_dsn_and_a_socket_are_refused_with_what_to_write() {
    for (text, said) in [
        ("mysql://root@db:3306", format!("leave out mysql://, {TLS}; {USER}; write \"db:3306\"")),
        (
            "root:pw@tcp(127.0.0.1:3306)/demo?parseTime=true",
            format!("{USER}; leave out tcp( and what follows the address; write \"127.0.0.1:3306\""),
        ),
        ("root:pw@unix(/run/mysqld.sock)/demo", "the path of a socket stands alone; write \"/run/mysqld.sock\"".to_owned()),
        ("unix:/run/mysqld.sock", "the path of a socket stands alone; write \"/run/mysqld.sock\"".to_owned()),
        ("/run/mysqld.sock ", "leave out the spaces around it; write \"/run/mysqld.sock\"".to_owned()),
        ("run/mysqld.sock", "leave out what follows the address; the port is missing; write \"run:3306\"".to_owned()),
    ] {
        assert!(!is_host_port_or_socket(text), "{text}");
        assert_eq!(of_host_port_or_socket(text, 3306), said, "{text:?}");
    }
}

#[test]
fn c5_of_several_addresses_the_wrong_one_is_named() {
    assert_eq!(of_host_ports("a:1,http://b:2", 8500), format!("\"http://b:2\": leave out http://, {TLS}; write \"b:2\""));
    assert_eq!(of_host_ports("a:1, b:2", 8500), "\" b:2\": leave out the spaces around it; write \"b:2\"");
    assert_eq!(of_host_ports("consul", 8500), "the port is missing; write \"consul:8500\"");
    assert_eq!(of_host_ports(&["a:1"; 17].join(","), 8500), "these are more than 16");
}

#[test]
fn c5_a_host_is_refused_with_what_to_write() {
    for (text, said) in [
        ("info:9001", "leave out the port, which is a setting of its own; write \"info\"".to_owned()),
        ("[::1]", "leave out the brackets; write \"::1\"".to_owned()),
        ("dns:///info", "leave out dns://; write \"info\"".to_owned()),
        ("info ", "leave out the spaces around it; write \"info\"".to_owned()),
        ("", "the host is missing".to_owned()),
    ] {
        assert!(!is_host(text), "{text}");
        assert_eq!(of_host(text), said, "{text:?}");
    }
    for (text, said) in [
        ("x:99999", "port 99999 is out of range, allowed is 1 to 65535".to_owned()),
        ("grpc://10.0.0.7:9001", format!("leave out grpc://, {TLS}; write \"10.0.0.7:9001\"")),
        ("http://10.0.0.7", format!("leave out http://, {TLS}; write \"10.0.0.7\"")),
        ("pod ", "leave out the spaces around it; write \"pod\"".to_owned()),
    ] {
        assert!(!is_advertised(text), "{text}");
        assert_eq!(of_advertised(text), said, "{text:?}");
    }
}

#[test]
fn c5_a_url_is_refused_with_what_to_write() {
    let begin = "begin with http://, or with https:// for TLS";
    for (text, said) in [
        ("127.0.0.1:4317", format!("{begin}; write \"http://127.0.0.1:4317\"")),
        ("grpc://otel:4317", format!("{begin}; write \"http://otel:4317\"")),
        ("http://otel:4318/v1/traces", "leave out what follows the address; write \"http://otel:4318\"".to_owned()),
        ("http://me:pw@otel:4317", format!("{USER}; write \"http://otel:4317\"")),
        ("http://otel:70000", "port 70000 is out of range, allowed is 1 to 65535".to_owned()),
        ("http://", "the host is missing".to_owned()),
    ] {
        assert!(!is_collector(text), "{text}");
        assert_eq!(of_collector(text), said, "{text:?}");
    }
    for (text, said) in [
        ("prometheus:9090/graph", format!("{begin}; write \"http://prometheus:9090/graph\"")),
        ("https://me:pw@grafana/x", format!("{USER}; write \"https://grafana/x\"")),
        ("https://graf ana", "an address has no spaces".to_owned()),
    ] {
        assert!(!is_url(text), "{text}");
        assert_eq!(of_url(text), said, "{text:?}");
    }
}

#[test]
fn c5_an_address_to_listen_on_is_refused_with_what_to_write() {
    let name = "a listener takes an IP address and no name; 0.0.0.0 is all addresses of this machine";
    for (text, said) in [
        (":8001", "the host is missing; write \"0.0.0.0:8001\"".to_owned()),
        ("8001", "the host is missing; write \"0.0.0.0:8001\"".to_owned()),
        ("*:8001", "the host is missing; write \"0.0.0.0:8001\"".to_owned()),
        ("localhost:8001", format!("{name}; write \"127.0.0.1:8001\"")),
        ("pod.example:8001", name.to_owned()),
        ("0.0.0.0", "the port is missing".to_owned()),
        ("tcp://0.0.0.0:8001", "leave out tcp://; write \"0.0.0.0:8001\"".to_owned()),
        (":::8001", "an IPv6 address stands in brackets, and the port behind them; write \"[::]:8001\"".to_owned()),
        ("0.0.0.0:99999", "port 99999 is out of range, allowed is 1 to 65535".to_owned()),
        ("unix:/run/a.sock", "nothing here listens on a Unix socket".to_owned()),
    ] {
        assert_eq!(of_listen(text), said, "{text:?}");
    }
}

#[test]
fn a_refusal_repeats_no_password() {
    for text in ["mysql://root:hunter2@db:3306", "root:hunter2@tcp(db:3306)/x", "db:3306?password=hunter2", "http://a:hunter2@b@c"] {
        let said = refusal(text, "host:port", &of_host_port(text, None));
        assert!(!said.contains("hunter2") && said.starts_with('"'), "{said}");
    }
    assert_eq!(refusal("nowhere", "host:port", ""), "\"nowhere\" is not host:port");
}
