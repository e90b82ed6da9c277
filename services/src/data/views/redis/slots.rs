//! Which node of a cluster has which keys (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>).

use std::collections::BTreeMap;

use ::redis::Value;

/// Slots of a cluster.
const SLOTS: u16 = 16_384;

/// The slot of a key without a hash tag: its CRC-16 (XMODEM), modulo the number of slots.
pub(super) fn of(key: &[u8]) -> u16 {
    let crc = key.iter().fold(0_u16, |crc, &byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
    });
    crc % SLOTS
}

/// `host:port`; an IPv6 address is put into brackets.
pub(super) fn address(host: &str, port: &str) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// A redirection's node. Where it leaves the host out, it is that of who sent it, at `from`.
pub(super) fn redirected(node: &str, from: &str) -> Option<String> {
    let (host, port) = node.rsplit_once(':')?;
    port.parse::<u16>().ok()?;
    let host = if host.is_empty() { host_of(from) } else { host };
    Some(address(host.trim_matches(['[', ']']), port))
}

fn host_of(address: &str) -> &str {
    address.rsplit_once(':').map_or(address, |(host, _)| host).trim_matches(['[', ']'])
}

/// Slots in a row, and the nodes that have them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shard {
    last: u16,
    nodes: Vec<String>,
}

/// The nodes of all slots.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SlotMap {
    /// By first slot.
    shards: BTreeMap<u16, Shard>,
    /// Slots of which a node said that they moved.
    moved: BTreeMap<u16, String>,
}

impl SlotMap {
    /// Parses the reply to CLUSTER SLOTS by the node at `from`; none if it is something else or no slot has a node.
    pub(super) fn parse(reply: &Value, from: &str) -> Option<Self> {
        let Value::Array(entries) = reply else { return None };
        let shards: BTreeMap<_, _> = entries.iter().filter_map(|entry| shard(entry, from)).collect();
        (!shards.is_empty()).then(|| Self { shards, moved: BTreeMap::new() })
    }

    /// The nodes that have `slot`, the master first.
    pub(super) fn nodes(&self, slot: u16) -> impl Iterator<Item = &str> {
        let shard = self.shards.range(..=slot).next_back().map(|(_, shard)| shard).filter(|shard| slot <= shard.last);
        let nodes = shard.into_iter().flat_map(|shard| &shard.nodes);
        self.moved.get(&slot).into_iter().chain(nodes).map(String::as_str)
    }

    /// Every master.
    pub(super) fn masters(&self) -> impl Iterator<Item = &str> {
        let mut masters: Vec<_> = self.shards.values().filter_map(|shard| shard.nodes.first()).collect();
        masters.sort();
        masters.dedup();
        masters.into_iter().map(String::as_str)
    }

    /// Whether any slot is at `address`.
    pub(super) fn has(&self, address: &str) -> bool {
        self.shards.values().flat_map(|shard| &shard.nodes).chain(self.moved.values()).any(|node| node == address)
    }

    /// Notes that `slot` has moved to the node at `address`.
    pub(super) fn note(&mut self, slot: u16, address: String) {
        self.moved.insert(slot, address);
    }
}

fn shard(entry: &Value, from: &str) -> Option<(u16, Shard)> {
    let Value::Array(entry) = entry else { return None };
    let [Value::Int(first), Value::Int(last), nodes @ ..] = &entry[..] else { return None };
    let nodes: Vec<_> = nodes.iter().filter_map(|node| member(node, from)).collect();
    if nodes.is_empty() {
        return None;
    }
    Some((u16::try_from(*first).ok()?, Shard { last: u16::try_from(*last).ok()?, nodes }))
}

/// The address of a node, which is a host (empty or absent for that of who replies, `?` for an unknown one) and a port, and more.
fn member(node: &Value, from: &str) -> Option<String> {
    let Value::Array(node) = node else { return None };
    let host = match node.first()? {
        Value::Nil => host_of(from),
        Value::BulkString(host) => match std::str::from_utf8(host).ok()? {
            "" => host_of(from),
            "?" => return None,
            host => host,
        },
        _ => return None,
    };
    let Value::Int(port) = node.get(1)? else { return None };
    Some(address(host, &u16::try_from(*port).ok()?.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn entry(first: i64, last: i64, nodes: &[(Value, i64)]) -> Value {
        let nodes = nodes.iter().map(|(host, port)| Value::Array(vec![host.clone(), Value::Int(*port), text("id"), Value::Array(vec![])]));
        Value::Array([Value::Int(first), Value::Int(last)].into_iter().chain(nodes).collect())
    }

    /// The first is the check value of the CRC in the cluster's specification.
    #[test]
    fn d3_slots_are_those_of_the_specification() {
        assert_eq!(of(b"123456789"), 0x31C3);
        assert_eq!(of(b"foo"), 12_182);
        assert_eq!(of(b""), 0);
    }

    #[test]
    fn d3_a_map_tells_the_nodes_of_each_slot() {
        let reply = Value::Array(vec![
            entry(0, 100, &[(text("a"), 1), (text("b"), 2)]),
            entry(200, 16_383, &[(text("::1"), 3), (text("?"), 4)]),
            entry(150, 150, &[(text(""), 5), (Value::Nil, 6)]),
        ]);
        let mut map = SlotMap::parse(&reply, "seed:7").expect("a map");
        let nodes = |map: &SlotMap, slot| map.nodes(slot).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(nodes(&map, 0), ["a:1", "b:2"]);
        assert_eq!(nodes(&map, 100), ["a:1", "b:2"]);
        assert_eq!(nodes(&map, 101), Vec::<String>::new());
        assert_eq!(nodes(&map, 150), ["seed:5", "seed:6"]);
        assert_eq!(nodes(&map, 16_383), ["[::1]:3"]);
        assert_eq!(map.masters().collect::<Vec<_>>(), ["[::1]:3", "a:1", "seed:5"]);
        map.note(100, "c:8".to_owned());
        assert_eq!(nodes(&map, 100), ["c:8", "a:1", "b:2"]);
        assert!(map.has("c:8") && map.has("b:2") && !map.has("c:9"));
    }

    #[test]
    fn d3_what_tells_of_no_node_is_no_map() {
        for reply in [Value::Nil, Value::Array(vec![]), Value::Array(vec![entry(0, 1, &[(text("?"), 1)])])] {
            assert_eq!(SlotMap::parse(&reply, "a:1"), None, "{reply:?}");
        }
    }

    #[test]
    fn d3_redirections_may_leave_the_host_out_or_name_it_by_ipv6() {
        assert_eq!(redirected("10.0.0.1:6381", "a:1").as_deref(), Some("10.0.0.1:6381"));
        assert_eq!(redirected(":6381", "a:1").as_deref(), Some("a:6381"));
        assert_eq!(redirected(":6381", "[::1]:1").as_deref(), Some("[::1]:6381"));
        assert_eq!(redirected("2001:db8::1:6381", "a:1").as_deref(), Some("[2001:db8::1]:6381"));
        assert_eq!(redirected("a", "a:1"), None);
        assert_eq!(redirected("a:b", "a:1"), None);
    }
}
