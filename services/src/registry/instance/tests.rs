use super::*;

fn service() -> Service {
    Service { id: Some("h1".to_owned()), weight: 3, ..Service::named("bbs.user.info") }
}

fn endpoints() -> Vec<String> {
    vec!["grpc://10.0.0.7:9001".to_owned(), "http://10.0.0.7:8001".to_owned()]
}

/// The body that Kratos 2.5 sends for the demo, but for `Status` and our metadata.
#[test]
fn is_registered_as_kratos_does() {
    let registration = Instance::new(&service(), endpoints()).registration(&Consul::default()).expect("valid");
    let expected = serde_json::json!({
        "ID": "h1",
        "Name": "bbs.user.info",
        "Tags": ["version="],
        "TaggedAddresses": {
            "grpc": {"Address": "grpc://10.0.0.7:9001", "Port": 9001},
            "http": {"Address": "http://10.0.0.7:8001", "Port": 8001},
        },
        "Address": "10.0.0.7",
        "Port": 9001,
        "Meta": {"weight": "3", "http_port": "8001"},
        "Checks": [
            {"TCP": "10.0.0.7:9001", "Interval": "10s", "Timeout": "5s", "DeregisterCriticalServiceAfter": "600s", "Status": "passing"},
            {"TCP": "10.0.0.7:8001", "Interval": "10s", "Timeout": "5s", "DeregisterCriticalServiceAfter": "600s", "Status": "passing"},
            {"CheckID": "service:h1", "TTL": "20s", "DeregisterCriticalServiceAfter": "600s", "Status": "passing"},
        ],
    });
    assert_eq!(serde_json::to_value(registration).expect("serialises"), expected);
}

#[test]
fn leaves_out_tcp_checks_when_told_to() {
    let consul = Consul { tcp_checks: false, ..Consul::default() };
    let registration = Instance::new(&service(), endpoints()).registration(&consul).expect("valid");
    assert_eq!(registration.checks.len(), 1);
    assert_eq!(registration.checks[0].ttl.to_string(), "20s");
}

#[test]
fn is_called_by_host_and_address_without_an_id() {
    let instance = Instance::new(&Service { id: None, ..service() }, endpoints());
    assert_eq!(instance.id, format!("{}-10.0.0.7:9001", host::hostname()));
}

#[test]
fn brackets_ipv6_only_where_a_port_follows() {
    let registration = Instance::new(&service(), vec!["grpc://[::1]:9001".to_owned()]).registration(&Consul::default()).expect("valid");
    assert_eq!(registration.address, "::1");
    assert_eq!(registration.checks[0].tcp, "[::1]:9001");
}

#[test]
fn refuses_what_is_no_endpoint() {
    for bad in ["10.0.0.7:9001", "grpc://10.0.0.7", "", "grpc://"] {
        let error = Instance::new(&service(), vec![bad.to_owned()]).registration(&Consul::default()).expect_err(bad);
        assert!(error.to_string().contains("grpc://10.0.0.7:9001"), "{error}");
    }
    assert!(Instance::new(&service(), Vec::new()).registration(&Consul::default()).is_err());
}
