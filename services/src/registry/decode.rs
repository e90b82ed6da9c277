//! Consul's health entries read as Kratos reads them (contrib/registry/consul/client.go and transport/grpc/resolver/discovery).

use http::Uri;
use user_info_api::config::Service;

use super::discovered::Node;
use super::instance::WEIGHT;
use super::types::{HealthEntry, HealthService};

/// Consul's own keys among the tagged addresses.
const NOT_ENDPOINTS: [&str; 5] = ["lan_ipv4", "lan_ipv6", "wan_ipv4", "wan_ipv6", "virtual"];
/// Smallest and largest weight that is used.
const WEIGHTS: (i64, i64) = (1, 10_000);

/// The instances among `entries` that have a gRPC address, over TLS if `secure` and plain if not, and are of `version`, if one is asked for. Of two entries with the same address
/// the one changed last stands first.
pub(super) fn nodes(mut entries: Vec<HealthEntry>, version: Option<&str>, secure: bool) -> Vec<Node> {
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.service.modify_index));
    let nodes = entries.into_iter().filter_map(|entry| node(entry, secure));
    nodes.filter(|node| version.is_none_or(|version| node.version == version)).collect()
}

fn node(entry: HealthEntry, secure: bool) -> Option<Node> {
    let address = address(&entry, secure)?;
    let HealthService { id, tags, meta, .. } = entry.service;
    let version = tags.iter().find_map(|tag| tag.strip_prefix("version=")).unwrap_or_default().to_owned();
    Some(Node { id, address, version, weight: weight(meta.get(WEIGHT)), metadata: meta })
}

/// The gRPC endpoint; an instance that names no endpoint at all was not registered by Kratos and is taken at its word for host and port.
fn address(entry: &HealthEntry, secure: bool) -> Option<String> {
    let service = &entry.service;
    let mut endpoints = service.tagged_addresses.iter().filter(|(key, _)| !NOT_ENDPOINTS.contains(&key.as_str())).peekable();
    if endpoints.peek().is_some() {
        return endpoints.find_map(|(_, endpoint)| grpc_authority(&endpoint.address, secure));
    }
    let host = if service.address.is_empty() { &entry.node.address } else { &service.address };
    if host.is_empty() || service.port == 0 {
        return None;
    }
    let bare_ipv6 = host.contains(':') && !host.starts_with('[');
    Some(if bare_ipv6 { format!("[{host}]:{}", service.port) } else { format!("{host}:{}", service.port) })
}

fn grpc_authority(url: &str, secure: bool) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let (host, port) = (uri.host().filter(|host| !host.is_empty())?, uri.port_u16().filter(|port| *port > 0)?);
    (uri.scheme_str() == Some(if secure { "grpcs" } else { "grpc" })).then(|| format!("{host}:{port}"))
}

fn weight(text: Option<&String>) -> u32 {
    let given = text.and_then(|text| text.parse::<i64>().ok());
    given.map_or(Service::DEFAULT_WEIGHT, |weight| u32::try_from(weight.clamp(WEIGHTS.0, WEIGHTS.1)).unwrap_or(Service::DEFAULT_WEIGHT))
}

#[cfg(test)]
mod hostile;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(services: &Value, version: Option<&str>) -> Vec<Node> {
        let entries: Vec<_> = services
            .as_array()
            .expect("a list")
            .iter()
            .map(|service| json!({"Node": {"Address": "10.0.0.1"}, "Service": service, "Checks": []}))
            .collect();
        nodes(serde_json::from_value(entries.into()).expect("health entries"), version, false)
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
        let expected = Node { id: "h1".into(), address: "10.0.0.7:9001".into(), version: "v1".into(), weight: 3, metadata };
        assert_eq!(found, [expected]);
    }

    #[test]
    fn takes_the_endpoint_that_speaks_as_asked() {
        let endpoint = |scheme: &str, port: u16| (scheme.to_owned(), json!({"Address": format!("{scheme}://a:{port}"), "Port": port}));
        let entries = |endpoints: Vec<(String, Value)>| -> Vec<HealthEntry> {
            let service = json!({"ID": "h1", "TaggedAddresses": endpoints.into_iter().collect::<serde_json::Map<_, _>>()});
            serde_json::from_value(json!([{"Node": {}, "Service": service, "Checks": []}])).expect("health entries")
        };
        let found = |endpoints, secure| nodes(entries(endpoints), None, secure).into_iter().map(|n| n.address).collect::<Vec<_>>();
        let secured = || vec![endpoint("grpcs", 1), endpoint("https", 2)];
        assert_eq!((found(secured(), true), found(secured(), false)), (vec!["a:1".to_owned()], Vec::new()));
        let plain = || vec![endpoint("grpc", 1), endpoint("http", 2)];
        assert_eq!((found(plain(), true), found(plain(), false)), (Vec::new(), vec!["a:1".to_owned()]));
    }

    #[test]
    fn leaves_out_what_grpc_cannot_call() {
        let http_only = json!([{"ID": "h1", "Address": "a", "Port": 1, "TaggedAddresses": {"http": {"Address": "http://a:1", "Port": 1}}}]);
        assert_eq!(read(&http_only, None), []);
        assert_eq!(read(&json!([{"ID": "h1", "Address": "a", "Port": 0}]), None), []);
        for odd in ["grpc://no port", "grpc://no-port", "grpc://:9001", "grpc://a:0"] {
            let odd = json!([{"ID": "h1", "TaggedAddresses": {"grpc": {"Address": odd, "Port": 1}}}]);
            assert_eq!(read(&odd, None), []);
        }
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
}
