use serde_json::{Value, json};

use super::*;

fn read(services: &Value, version: Option<&str>) -> Vec<DiscoveredInstance> {
    read_all(services, version).0
}

fn read_all(services: &Value, version: Option<&str>) -> (Vec<DiscoveredInstance>, Vec<InvalidEntry>) {
    let decoded = decode(services, version, false);
    (decoded.instances, decoded.invalid)
}

/// What these services come to, all on a machine `m1` of 10.0.0.1.
fn decode(services: &Value, version: Option<&str>, secure: bool) -> Decoded {
    let entries: Vec<_> = services
        .as_array()
        .expect("a list")
        .iter()
        .map(|service| json!({"Node": {"Node": "m1", "Address": "10.0.0.1"}, "Service": service, "Checks": []}))
        .collect();
    instances(serde_json::from_value(entries.into()).expect("health entries"), version, secure)
}

#[test]
fn reads_what_kratos_writes() {
    let found = read(
        &json!([{
            "ID": "h1", "Service": "bbs.user.info", "Tags": ["version=v1"], "Address": "10.0.0.7", "Port": 9001,
            "TaggedAddresses": {
                "grpc": {"Address": "grpc://10.0.0.7:9001", "Port": 9001},
                "http": {"Address": "http://10.0.0.7:8001", "Port": 8001},
                "lan_ipv4": {"Address": "10.0.0.7", "Port": 9001},
            },
            "Meta": {"weight": "3"}, "ModifyIndex": 16,
        }]),
        None,
    );
    let metadata = [("weight".to_owned(), "3".to_owned())].into();
    let expected = DiscoveredInstance { id: "h1".into(), address: "10.0.0.7:9001".into(), version: "v1".into(), weight: 3, metadata };
    assert_eq!(found, [expected]);
}

#[test]
fn takes_the_endpoint_that_speaks_as_asked() {
    let endpoint = |scheme: &str, port: u16| (scheme.to_owned(), json!({"Address": format!("{scheme}://a:{port}"), "Port": port}));
    let entries = |endpoints: Vec<(String, Value)>| -> Vec<Entry> {
        let service = json!({"ID": "h1", "TaggedAddresses": endpoints.into_iter().collect::<serde_json::Map<_, _>>()});
        serde_json::from_value(json!([{"Node": {}, "Service": service, "Checks": []}])).expect("health entries")
    };
    let found =
        |endpoints, secure| instances(entries(endpoints), None, secure).instances.into_iter().map(|n| n.address).collect::<Vec<_>>();
    let secured = || vec![endpoint("grpcs", 1), endpoint("https", 2)];
    assert_eq!((found(secured(), true), found(secured(), false)), (vec!["a:1".to_owned()], Vec::new()));
    let plain = || vec![endpoint("grpc", 1), endpoint("http", 2)];
    assert_eq!((found(plain(), true), found(plain(), false)), (Vec::new(), vec!["a:1".to_owned()]));
}

#[test]
fn an_instance_without_grpc_is_left_out_and_no_mistake() {
    let http_only = json!([{"ID": "h1", "Address": "a", "Port": 1, "TaggedAddresses": {"http": {"Address": "http://a:1", "Port": 1}}}]);
    let why = "Service.TaggedAddresses: there is no endpoint of grpc, but of http";
    assert_eq!(decode(&http_only, None, false), Decoded { others: vec![InvalidEntry::new("m1", "h1", why)], ..Decoded::default() });
}

#[test]
fn an_entry_that_cannot_be_called_is_told_and_hides_no_other() {
    let tagged = |url: &str| json!({"ID": "bad", "TaggedAddresses": {"grpc": {"Address": url, "Port": 1}}});
    let endpoint = |url: &str| format!("Service.TaggedAddresses.grpc.Address: {url:?} is not grpc://host:port");
    let urls = ["grpc://no port", "grpc://no-port", "grpc://:9001", "grpc://a:0", "grpc://a:70000", "a:9001", "grpc://a:-1"];
    let mut cases: Vec<_> = urls.map(|url| (tagged(url), endpoint(url))).into();
    cases.extend([
        (json!({"ID": "bad", "Address": "a", "Port": 70000}), "Service.Port: 70000 is not a port: 0 to 65535".to_owned()),
        (json!({"ID": "bad", "Address": "a", "Port": -1}), "Service.Port: -1 is not a port: 0 to 65535".to_owned()),
        (json!({"ID": "bad", "Address": "a", "Port": 0}), "Service.Port: 0, and there is no other endpoint".to_owned()),
        (json!({"ID": "bad", "Address": "a b", "Port": 1}), "Service.Address: \"a b\" is not a host".to_owned()),
    ]);
    for (bad, why) in cases {
        let (found, invalid) = read_all(&json!([bad, {"ID": "good", "Address": "b", "Port": 1}]), None);
        assert_eq!(found.iter().map(|n| n.id.as_str()).collect::<Vec<_>>(), ["good"], "{bad}");
        assert_eq!(invalid, [InvalidEntry::new("m1", "bad", &why)]);
    }
}

#[test]
fn mistakes_of_another_version_are_not_told() {
    let other = json!([{"ID": "other", "Tags": ["version=v2"], "Address": "a", "Port": 0}]);
    assert_eq!(read_all(&other, Some("v1")), (Vec::new(), Vec::new()));
}

#[test]
fn falls_back_to_host_and_port() {
    let found = read(
        &json!([
            {"ID": "plain", "Tags": null, "Meta": null, "TaggedAddresses": null, "Address": "10.0.0.7", "Port": 9001},
            {"ID": "node", "TaggedAddresses": {"wan_ipv4": {"Address": "x", "Port": 1}}, "Address": "", "Port": 9002},
            {"ID": "v6", "Address": "::1", "Port": 9003},
        ]),
        None,
    );
    let addresses: Vec<_> = found.iter().map(|n| n.address.as_str()).collect();
    assert_eq!(addresses, ["10.0.0.7:9001", "10.0.0.1:9002", "[::1]:9003"]);
    assert!(found.iter().all(|n| n.weight == 100 && n.version.is_empty()));
}

#[test]
fn filters_by_version_and_puts_the_newest_first() {
    let services = json!([
        {"ID": "old", "Tags": ["version=v1"], "Address": "a", "Port": 1, "ModifyIndex": 3},
        {"ID": "new", "Tags": ["x", "version=v1"], "Address": "a", "Port": 1, "ModifyIndex": 9},
        {"ID": "other", "Tags": ["version=v2"], "Address": "b", "Port": 1},
    ]);
    let ids = |version| read(&services, version).into_iter().map(|n| n.id).collect::<Vec<_>>();
    assert_eq!(ids(Some("v1")), ["new", "old"]);
    assert_eq!(ids(None).len(), 3);
}

#[test]
fn weights_are_sane() {
    for (text, used) in [("0", 1), ("-5", 1), ("7", 7), ("99999", 10_000), ("heavy", 100), ("", 100)] {
        assert_eq!(weight(Some(&text.to_owned())), used, "{text:?}");
    }
    assert_eq!(weight(None), 100);
}

/// Entries as other registrars write them, and the address at which a plain or a secure caller calls them, or why it does not.
#[test]
fn c4_entries_of_other_registrars_are_read_each_on_its_own() {
    let grpc =
        |url: &str| json!({"ID": "i", "Address": "10.0.0.9", "Port": 8080, "TaggedAddresses": {"grpc": {"Address": url, "Port": 1}}});
    let grpcs = |url: &str| json!({"ID": "i", "TaggedAddresses": {"grpcs": {"Address": url, "Port": 1}}});
    let plain = |address: &str| json!({"ID": "i", "Address": address, "Port": 8080});
    let mesh = |kind: &str| format!("Service.Kind: {kind:?} is part of a service mesh, not the service itself");
    let none = |of: &str, but: &str| format!("Service.TaggedAddresses: there is no endpoint of {of}, but of {but}");
    let all = |what: &str| format!("{what} stands for all addresses of a machine, so nobody can call it");
    let endpoint = "Service.TaggedAddresses.grpc.Address: ";
    for (what, service, called) in [
        (
            "go-micro",
            json!({"ID": "bbs.user.info-1f9e", "Address": "10.0.0.7", "Port": 40001, "Meta": {}, "Weights": {"Passing": 1, "Warning": 1},
                "Tags": ["t-789caa56ca2f4a04", "e-789c8a8e05040000ffff", "v-789c32d033d033d03300040000ffff"]}),
            Ok("10.0.0.7:40001"),
        ),
        (
            "Spring Cloud Consul",
            json!({"ID": "bbs-8080", "Tags": ["secure=false"], "Meta": {"secure": "false"}, "Address": "host.lan", "Port": 8080,
                "TaggedAddresses": {"lan_ipv4": {"Address": "10.0.0.7", "Port": 8080}, "wan_ipv4": {"Address": "10.0.0.7", "Port": 8080}}}),
            Ok("host.lan:8080"),
        ),
        (
            "dapr",
            json!({"ID": "i", "Meta": {"DAPR_PORT": "50002"}, "Address": "10.0.0.7", "Port": 3500, "Tags": null}),
            Ok("10.0.0.7:3500"),
        ),
        (
            "Nomad, in a mesh",
            json!({"ID": "_nomad-task-6f0-group-x", "Address": "10.0.0.7", "Port": 25001, "Meta": {"external-source": "nomad"},
                "TaggedAddresses": {"consul-virtual": {"Address": "240.0.0.1", "Port": 25001}, "virtual": {"Address": "240.0.0.1", "Port": 1},
                    "lan": {"Address": "10.0.0.7", "Port": 25001}, "wan": {"Address": "198.51.100.7", "Port": 25001},
                    "lan_ipv6": {"Address": "2001:db8::7", "Port": 25001}}}),
            Ok("10.0.0.7:25001"),
        ),
        ("Envoy", json!({"Kind": "connect-proxy", "ID": "i-sidecar-proxy", "Address": "", "Port": 21000}), Err(mesh("connect-proxy"))),
        ("a gateway", json!({"Kind": "mesh-gateway", "ID": "g", "Address": "a", "Port": 8443}), Err(mesh("mesh-gateway"))),
        ("no address", plain(""), Ok("10.0.0.1:8080")),
        ("nulls", json!({"Kind": null, "ID": null, "Address": null, "Port": 8080, "Tags": null, "Meta": null}), Ok("10.0.0.1:8080")),
        ("IPv6", plain("2001:DB8::0:7"), Ok("[2001:db8::7]:8080")),
        ("IPv6 in brackets", plain("[2001:db8::7]"), Ok("[2001:db8::7]:8080")),
        ("IPv6 with a zone", plain("fe80::1%eth0"), Ok("[fe80::1%eth0]:8080")),
        ("capitals", plain("Host.LAN"), Ok("host.lan:8080")),
        ("no address at all", plain("0.0.0.0"), Err(format!("Service.Address: {}", all("\"0.0.0.0\"")))),
        ("no IPv6 address at all", plain("[::]"), Err(format!("Service.Address: {}", all("\"::\"")))),
        ("a port in the address", plain("10.0.0.7:9001"), Err("Service.Address: \"10.0.0.7:9001\" is not a host".to_owned())),
        ("a URL in the address", plain("http://10.0.0.7"), Err("Service.Address: \"http://10.0.0.7\" is not a host".to_owned())),
        ("a user in the address", plain("me@10.0.0.7"), Err("Service.Address: \"me@10.0.0.7\" is not a host".to_owned())),
        ("Kratos", grpc("grpc://10.0.0.7:9001"), Ok("10.0.0.7:9001")),
        ("Kratos 2.0", grpc("grpc://10.0.0.7:9001?isSecure=false"), Ok("10.0.0.7:9001")),
        ("Kratos 2.0 over TLS", grpc("grpc://10.0.0.7:9001?isSecure=true"), Err(none("grpc", "grpcs"))),
        ("Kratos over TLS", grpcs("grpcs://10.0.0.7:9001"), Err(none("grpc", "grpcs"))),
        ("Kratos with IPv6", grpc("grpc://[2001:db8:0::7]:9001"), Ok("[2001:db8::7]:9001")),
        ("IPv6 without brackets", grpc("grpc://fe80::x:9001"), Err(format!("{endpoint}\"grpc://fe80::x:9001\" is not grpc://host:port"))),
        ("no URL", grpc("10.0.0.7:9001"), Err(format!("{endpoint}\"10.0.0.7:9001\" is not grpc://host:port"))),
        ("a URL without a host", grpc("grpc://0.0.0.0:9001"), Err(format!("{endpoint}{}", all("\"grpc://0.0.0.0:9001\"")))),
        ("another scheme under grpc", grpc("tcp://10.0.0.7:9001"), Err(none("grpc", "tcp"))),
    ] {
        let good = json!({"ID": "good", "Address": "good", "Port": 1});
        let Decoded { instances, invalid, others } = decode(&json!([service, good]), None, false);
        let addresses: Vec<_> = instances.iter().map(|instance| instance.address.as_str()).collect();
        let left: Vec<_> = [invalid, others].concat().into_iter().map(|entry| entry.why).collect();
        match called {
            Ok(address) => assert_eq!((addresses, left), (vec![address, "good"], vec![]), "{what}"),
            Err(why) => assert_eq!((addresses, left), (vec!["good"], vec![why]), "{what}"),
        }
    }
    let secure = |service: Value| decode(&json!([service]), None, true).instances.into_iter().map(|i| i.address).collect::<Vec<_>>();
    for url in ["grpc://10.0.0.7:9001?isSecure=true", "grpc://10.0.0.7:9001/?x=1&isSecure=true"] {
        assert_eq!(secure(grpc(url)), ["10.0.0.7:9001"], "{url}");
    }
    assert_eq!(secure(grpcs("grpcs://10.0.0.7:9001")), ["10.0.0.7:9001"]);
    assert!(secure(grpc("grpc://10.0.0.7:9001")).is_empty());
}
