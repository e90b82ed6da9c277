//! Consul's health entries read as Kratos reads them (contrib/registry/consul/client.go and transport/grpc/resolver/discovery).

use std::net::IpAddr;

use user_info_api::config::Service;
use user_info_api::{address, limits};
use user_info_consul::HealthEntry;

use super::discovered::DiscoveredInstance;
use super::entry::{Entry, InvalidEntry};
use super::instance::WEIGHT;

/// What the entries of an answer come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Decoded {
    /// Those that can be called. Of two with the same address the one changed last stands first.
    pub(super) instances: Vec<DiscoveredInstance>,
    /// Those that cannot be used, and why.
    pub(super) invalid: Vec<InvalidEntry>,
    /// Those that are no mistake and not for us, and why: proxies of a mesh, instances that speak no gRPC or not as asked.
    pub(super) others: Vec<InvalidEntry>,
}

/// Why an entry is not an instance.
enum Useless {
    Invalid(String),
    Other(String),
}

/// Reads `entries`: each that has a gRPC address, over TLS if `secure` and plain if not, and is of `version`, if one is asked for.
pub(super) fn instances(entries: Vec<Entry>, version: Option<&str>, secure: bool) -> Decoded {
    let (mut readable, mut decoded) = (Vec::with_capacity(entries.len()), Decoded::default());
    for Entry(entry) in entries {
        match entry {
            Ok(entry) => readable.push(entry),
            Err(unreadable) => decoded.invalid.push(unreadable),
        }
    }
    readable.sort_by_key(|entry| std::cmp::Reverse(entry.service.modify_index));
    for entry in readable.into_iter().filter(|entry| version.is_none_or(|version| version == version_of(entry))) {
        let of = |why: &str| InvalidEntry::new(&entry.node.node, &entry.service.id, why);
        match address_of(&entry, secure) {
            Ok(address) => decoded.instances.push(instance(entry, address)),
            Err(Useless::Invalid(why)) => decoded.invalid.push(of(&why)),
            Err(Useless::Other(why)) => decoded.others.push(of(&why)),
        }
    }
    decoded
}

fn version_of(entry: &HealthEntry) -> &str {
    entry.service.tags.iter().find_map(|tag| tag.strip_prefix("version=")).unwrap_or_default()
}

fn instance(entry: HealthEntry, address: String) -> DiscoveredInstance {
    let version = version_of(&entry).to_owned();
    let weight = weight(entry.service.meta.get(WEIGHT));
    DiscoveredInstance { id: entry.service.id, address, version, weight, metadata: entry.service.meta }
}

/// The gRPC endpoint. An instance that names no endpoint at all was not registered by Kratos and is taken at its word for host and port.
fn address_of(entry: &HealthEntry, secure: bool) -> Result<String, Useless> {
    let service = &entry.service;
    if !service.kind.is_empty() {
        return Err(Useless::Other(format!("Service.Kind: {:?} is part of a service mesh, not the service itself", service.kind)));
    }
    let scheme = if secure { "grpcs" } else { "grpc" };
    let (mut speaks, mut wrong) = (Vec::new(), None);
    // Addresses that are no URLs are Consul's own, a mesh's, or those of Nomad and other registrars: lan, wan_ipv4, consul-virtual.
    let endpoints = service.tagged_addresses.iter().filter(|(key, endpoint)| *key == scheme || endpoint.address.contains("://"));
    for (key, endpoint) in endpoints {
        let url = &endpoint.address;
        match Endpoint::parse(url) {
            Some(endpoint) if endpoint.scheme == scheme => match endpoint.address() {
                Ok(address) => return Ok(address),
                Err(why) => wrong = wrong.or_else(|| Some(format!("Service.TaggedAddresses.{key}.Address: {url:?}{why}"))),
            },
            None if key == scheme || url.split_once("://").is_some_and(|(of, _)| of == scheme) => {
                wrong = wrong.or_else(|| Some(format!("Service.TaggedAddresses.{key}.Address: {url:?} is not {scheme}://host:port")));
            }
            Some(endpoint) => speaks.push(endpoint.scheme),
            None => speaks.push(key.clone()),
        }
    }
    match wrong {
        Some(wrong) => Err(Useless::Invalid(wrong)),
        None if speaks.is_empty() => host_and_port(entry).map_err(Useless::Invalid),
        None => Err(Useless::Other(format!("Service.TaggedAddresses: there is no endpoint of {scheme}, but of {}", speaks.join(", ")))),
    }
}

fn host_and_port(entry: &HealthEntry) -> Result<String, String> {
    let (service, port) = (&entry.service, entry.service.port);
    let host = if service.address.is_empty() { &entry.node.address } else { &service.address };
    if port == 0 {
        return Err("Service.Port: 0, and there is no other endpoint".to_owned());
    }
    // The entry's own parts, so nothing but a host has a place there.
    let (text, bracketed) = (format!("{host}:{port}"), format!("[{host}]:{port}"));
    let read = address::host_port(&text).or_else(|| address::host_port(&bracketed).filter(|_| !host.starts_with('[')));
    let (host, port) = read.ok_or_else(|| format!("Service.Address: {host:?} is not a host"))?;
    joined(host, port).map_err(|why| format!("Service.Address: {host:?}{why}"))
}

/// A URL of Kratos: `grpc://host:port`, of its earlier versions with `?isSecure=true` rather than `grpcs`.
struct Endpoint {
    scheme: String,
    host: String,
    port: u16,
}

impl Endpoint {
    fn parse(url: &str) -> Option<Self> {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, more) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let (host, port) = address::host_port(authority)?;
        let query = more.split_once('?').map_or("", |(_, query)| query);
        let secure = ["grpc", "http"].contains(&scheme) && query.split('&').any(|pair| pair == "isSecure=true");
        Some(Self { scheme: format!("{scheme}{}", if secure { "s" } else { "" }), host: host.to_owned(), port })
    }

    fn address(&self) -> Result<String, &'static str> {
        joined(&self.host, self.port)
    }
}

/// `host:port`, in one way of the several that there are, so that an address registered twice is seen to be one.
fn joined(host: &str, port: u16) -> Result<String, &'static str> {
    match host.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() => Err(" stands for all addresses of a machine, so nobody can call it"),
        Ok(IpAddr::V6(ip)) => Ok(format!("[{ip}]:{port}")),
        _ if host.contains(':') => Ok(format!("[{host}]:{port}")),
        _ => Ok(format!("{}:{port}", host.to_ascii_lowercase())),
    }
}

fn weight(text: Option<&String>) -> u32 {
    let (least, most) = (i64::from(limits::WEIGHT.min), i64::from(limits::WEIGHT.max));
    let given = text.and_then(|text| text.parse::<i64>().ok());
    given.map_or(Service::DEFAULT_WEIGHT, |weight| u32::try_from(weight.clamp(least, most)).unwrap_or(Service::DEFAULT_WEIGHT))
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests;
