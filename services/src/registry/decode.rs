//! Consul's health entries read as Kratos reads them (contrib/registry/consul/client.go and transport/grpc/resolver/discovery).

use http::Uri;
use http::uri::Authority;
use user_info_api::config::Service;
use user_info_api::limits;
use user_info_consul::HealthEntry;

use super::discovered::DiscoveredInstance;
use super::entry::{Entry, InvalidEntry};
use super::instance::WEIGHT;

/// Consul's own keys among the tagged addresses.
const NOT_ENDPOINTS: [&str; 5] = ["lan_ipv4", "lan_ipv6", "wan_ipv4", "wan_ipv6", "virtual"];

/// The instances among `entries` that have a gRPC address, over TLS if `secure` and plain if not, and are of `version`, if one is asked for;
/// and the entries that cannot be used. Of two entries with the same address the one changed last stands first.
pub(super) fn instances(entries: Vec<Entry>, version: Option<&str>, secure: bool) -> (Vec<DiscoveredInstance>, Vec<InvalidEntry>) {
    let (mut readable, mut invalid) = (Vec::with_capacity(entries.len()), Vec::new());
    for Entry(entry) in entries {
        match entry {
            Ok(entry) => readable.push(entry),
            Err(unreadable) => invalid.push(unreadable),
        }
    }
    readable.sort_by_key(|entry| std::cmp::Reverse(entry.service.modify_index));
    let mut instances = Vec::with_capacity(readable.len());
    for entry in readable.into_iter().filter(|entry| version.is_none_or(|version| version == version_of(entry))) {
        match address(&entry, secure) {
            Ok(None) => {}
            Ok(Some(address)) => instances.push(instance(entry, address)),
            Err(why) => invalid.push(InvalidEntry::new(&entry.node.node, &entry.service.id, &why)),
        }
    }
    (instances, invalid)
}

fn version_of(entry: &HealthEntry) -> &str {
    entry.service.tags.iter().find_map(|tag| tag.strip_prefix("version=")).unwrap_or_default()
}

fn instance(entry: HealthEntry, address: String) -> DiscoveredInstance {
    let version = version_of(&entry).to_owned();
    let weight = weight(entry.service.meta.get(WEIGHT));
    DiscoveredInstance { id: entry.service.id, address, version, weight, metadata: entry.service.meta }
}

/// The gRPC endpoint, if it has one; an instance that names no endpoint at all was not registered by Kratos and is taken at its word for host
/// and port. Fails with what is wrong.
fn address(entry: &HealthEntry, secure: bool) -> Result<Option<String>, String> {
    let service = &entry.service;
    let scheme = if secure { "grpcs" } else { "grpc" };
    let (mut endpoints, mut wrong) = (0, None);
    for (key, endpoint) in service.tagged_addresses.iter().filter(|(key, _)| !NOT_ENDPOINTS.contains(&key.as_str())) {
        endpoints += 1;
        let url = &endpoint.address;
        match authority(url, scheme) {
            Some(address) => return Ok(Some(address)),
            None if key == scheme || url.split_once("://").is_some_and(|(of, _)| of == scheme) => {
                wrong = wrong.or_else(|| Some(format!("Service.TaggedAddresses.{key}.Address: {url:?} is not {scheme}://host:port")));
            }
            None => {}
        }
    }
    if endpoints > 0 {
        return wrong.map_or(Ok(None), Err);
    }
    host_and_port(entry).map(Some)
}

fn host_and_port(entry: &HealthEntry) -> Result<String, String> {
    let (service, port) = (&entry.service, entry.service.port);
    let host = if service.address.is_empty() { &entry.node.address } else { &service.address };
    if port == 0 {
        return Err("Service.Port: 0, and there is no other endpoint".to_owned());
    }
    let bare_ipv6 = host.contains(':') && !host.starts_with('[');
    let address = if bare_ipv6 { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let usable = address.parse::<Authority>().is_ok_and(|authority| !authority.host().is_empty() && !address.contains('@'));
    if usable { Ok(address) } else { Err(format!("Service.Address: {host:?} is not a host")) }
}

fn authority(url: &str, scheme: &str) -> Option<String> {
    let uri: Uri = url.parse().ok().filter(|uri: &Uri| uri.scheme_str() == Some(scheme))?;
    let (host, port) = (uri.host().filter(|host| !host.is_empty())?, uri.port_u16().filter(|port| *port > 0)?);
    Some(format!("{host}:{port}"))
}

fn weight(text: Option<&String>) -> u32 {
    let (least, most) = (i64::from(limits::WEIGHT.min), i64::from(limits::WEIGHT.max));
    let given = text.and_then(|text| text.parse::<i64>().ok());
    given.map_or(Service::DEFAULT_WEIGHT, |weight| u32::try_from(weight.clamp(least, most)).unwrap_or(Service::DEFAULT_WEIGHT))
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(services: &Value, version: Option<&str>) -> Vec<DiscoveredInstance> {
        read_all(services, version).0
    }

    fn read_all(services: &Value, version: Option<&str>) -> (Vec<DiscoveredInstance>, Vec<InvalidEntry>) {
        let entries: Vec<_> = services
            .as_array()
            .expect("a list")
            .iter()
            .map(|service| json!({"Node": {"Node": "m1", "Address": "10.0.0.1"}, "Service": service, "Checks": []}))
            .collect();
        instances(serde_json::from_value(entries.into()).expect("health entries"), version, false)
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
        let found = |endpoints, secure| instances(entries(endpoints), None, secure).0.into_iter().map(|n| n.address).collect::<Vec<_>>();
        let secured = || vec![endpoint("grpcs", 1), endpoint("https", 2)];
        assert_eq!((found(secured(), true), found(secured(), false)), (vec!["a:1".to_owned()], Vec::new()));
        let plain = || vec![endpoint("grpc", 1), endpoint("http", 2)];
        assert_eq!((found(plain(), true), found(plain(), false)), (Vec::new(), vec!["a:1".to_owned()]));
    }

    #[test]
    fn an_instance_without_grpc_is_left_out_and_no_mistake() {
        let http_only = json!([{"ID": "h1", "Address": "a", "Port": 1, "TaggedAddresses": {"http": {"Address": "http://a:1", "Port": 1}}}]);
        assert_eq!(read_all(&http_only, None), (Vec::new(), Vec::new()));
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
}
