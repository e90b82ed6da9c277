//! Replies of a Consul that is broken, or not a Consul: what is no instance is left out.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::*;

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,30}".prop_map(Value::from),
        "(grpcs?|http)://[a-z\\[\\]:.@0-9]{0,20}(:[0-9]{0,7})?".prop_map(Value::from),
    ];
    let keys = select(vec![
        "ID",
        "Service",
        "Tags",
        "Meta",
        "TaggedAddresses",
        "Address",
        "Port",
        "ModifyIndex",
        "Node",
        "grpc",
        "grpcs",
        "lan_ipv4",
        "weight",
    ]);
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(keys.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Everything that comes out can be called.
fn sane(entries: &[Entry]) {
    for secure in [false, true] {
        for instance in instances(entries.to_vec(), None, secure).instances {
            assert!((1..=10_000).contains(&instance.weight), "{instance:?}");
            assert!(
                instance.address.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok()),
                "{instance:?}"
            );
        }
    }
}

proptest! {
    #[test]
    fn any_entry_is_read_or_left_out_and_hides_no_other(entry in any_value()) {
        let good = json!({"Service": {"ID": "good", "Address": "a", "Port": 1}});
        let entries = serde_json::from_value::<Vec<Entry>>(json!([entry, good])).expect("each on its own");
        sane(&entries);
        prop_assert!(instances(entries, None, false).instances.iter().any(|instance| instance.id == "good"));
    }

    #[test]
    fn any_service_is_an_instance_or_left_out(
        id in "\\PC{0,20}",
        address in "[a-z0-9.:\\[\\]]{0,20}",
        port in any::<u16>(),
        endpoints in proptest::collection::btree_map("grpcs?|http|lan_ipv4", "\\PC{0,30}|grpcs?://[a-z0-9.:]{0,20}:[0-9]{1,6}", 0..4),
        weight in "-?[0-9]{0,25}|\\PC{0,5}",
    ) {
        let tagged: serde_json::Map<_, _> = endpoints.into_iter().map(|(key, url)| (key, json!({"Address": url, "Port": port}))).collect();
        let service = json!({"ID": id, "Address": address, "Port": port, "TaggedAddresses": tagged, "Meta": {"weight": weight}});
        let entries = json!([{"Node": {"Address": "10.0.0.1"}, "Service": service, "Checks": []}]);
        sane(&serde_json::from_value::<Vec<Entry>>(entries).expect("health entries"));
    }

    #[test]
    fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        if let Ok(entries) = serde_json::from_slice::<Vec<Entry>>(&bytes) {
            sane(&entries);
        }
    }
}
