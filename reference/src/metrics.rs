//! `metrics.md`: every metric of every program, as it registers them.

use std::cell::RefCell;
use std::collections::BTreeMap;

use prometheus::core::Collector;
use prometheus::proto::MetricType;
use user_info_metrics::Register;
use user_info_services::{client, server};

use crate::markdown::{code, head, table};

const ABOUT: &str = "\
What `/metrics` of each program shows. Names, labels and buckets of
`bbs_user_info_server_requests_duration_sec`, `bbs_user_info_server_requests_throughput` and
`bbs_user_client_requests_throughput` are those of the Go demo, and so are their help texts: the first is the time of
every call, refused ones included; the others count calls that ended. A series whose labels are known at the start is
there from the start; others begin with their first event.";

/// What each label says.
const LABELS: [(&str, &str); 19] = [
    ("addon", "`consul`, `prometheus`, `grafana`, `mysql` or `redis`"),
    ("cause", "`namespace`: it is being deleted; `abandoned`: by the annotation `userinfo.bbs.dev/abandon-releases`"),
    ("class", "what mends a failure: `transient`, `conflict`, `configuration`, `permanent`"),
    ("code", "HTTP status, or `0` for success"),
    ("decision", "`allowed` or `refused`"),
    ("fault", "`abort` or `delay`"),
    ("instance", "gRPC address of the instance; the series go with it"),
    ("kind (bbs_user_info_store_errors_total)", "`overloaded`, `disconnected`, `connection_lost`, `timeout`, `query`, `malformed`"),
    ("kind (calls)", "`grpc` or `http`"),
    ("kind (user_info_operator_writes_total)", "kind of the object in Kubernetes"),
    ("operation", "full method name, the same for gRPC and HTTP: `/api.user_info.UserInfo/GetUserInfo`"),
    ("outcome", "`ok` or `error`; of Helm also `stopped`"),
    ("reason (calls)", "reason of the error, such as `RATELIMIT`; empty for success, `other` after 32 of one code"),
    ("reason (user_info_operator_…)", "as in [conditions](conditions.md)"),
    ("store", "`mysql`, `sqlite` or `redis`"),
    ("to", "`open` or `closed`"),
    ("verb (user_info_operator_helm_…)", "what Helm was to do with a release"),
    ("verb (user_info_operator_writes_total)", "what was asked of the API server, such as `apply` or `delete`"),
    ("worker", "number of the worker thread, from 0"),
];

/// One metric.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Metric {
    kind: &'static str,
    labels: Vec<String>,
    help: String,
}

/// Notes what is registered, by name.
#[derive(Default)]
struct Catalogue(RefCell<BTreeMap<String, Metric>>);

impl Register for Catalogue {
    fn register(&self, metric: Box<dyn Collector>) -> prometheus::Result<()> {
        let kinds: BTreeMap<_, _> =
            metric.collect().iter().map(|family| (family.name().to_owned(), name_of(family.get_field_type()))).collect();
        for desc in metric.desc() {
            let kind = kinds.get(&desc.fq_name).copied().unwrap_or("gauge");
            let described = Metric { kind, labels: desc.variable_labels.clone(), help: desc.help.clone() };
            self.0.borrow_mut().insert(desc.fq_name.clone(), described);
        }
        Ok(())
    }
}

fn name_of(kind: MetricType) -> &'static str {
    match kind {
        MetricType::COUNTER => "counter",
        MetricType::HISTOGRAM => "histogram",
        MetricType::SUMMARY => "summary",
        MetricType::GAUGE | MetricType::UNTYPED => "gauge",
    }
}

/// The page.
pub(crate) fn page() -> Result<String, String> {
    let [info, client, operator] = all().map_err(|error| error.to_string())?;
    let both: BTreeMap<_, _> = info.iter().filter(|(name, _)| client.contains_key(*name)).map(|(n, m)| (n.clone(), m.clone())).collect();
    let only = |all: BTreeMap<String, Metric>| all.into_iter().filter(|(name, _)| !both.contains_key(name)).collect();
    let mut text = head("Metrics", ABOUT);
    for (title, metrics) in [
        ("user_info", only(info)),
        ("user_client", only(client)),
        ("user_info and user_client", both.clone()),
        ("user-info-operator run", operator),
    ] {
        text += &format!("\n## {title}\n{}", rows(metrics));
    }
    let labels = LABELS.map(|(name, meaning)| [label(name), meaning.to_owned()]);
    Ok(text + "\n## Labels\n" + &table(["label", "meaning"], labels))
}

/// The metrics of `user_info`, `user_client` and `user-info-operator`, by name.
fn all() -> prometheus::Result<[BTreeMap<String, Metric>; 3]> {
    let (info, client, operator) = (Catalogue::default(), Catalogue::default(), Catalogue::default());
    // With TLS and a registry, so that nothing is left out.
    server::Metrics::new(&info, true, true)?;
    client::Metrics::new(&client, true, true)?;
    user_info_operator::metrics::Metrics::new(&operator)?;
    Ok([info, client, operator].map(|catalogue| catalogue.0.into_inner()))
}

fn rows(metrics: BTreeMap<String, Metric>) -> String {
    let row = |(name, m): (String, Metric)| [code(&name), m.kind.to_owned(), m.labels.join(", "), m.help];
    table(["name", "type", "labels", "meaning"], metrics.into_iter().map(row))
}

/// A label's name as code, what it belongs to as words.
fn label(name: &str) -> String {
    match name.split_once(" (") {
        Some((name, of)) => format!("{} ({of}", code(name)),
        None => code(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_label_is_explained_and_every_metric_has_a_help_text() {
        for (name, metric) in all().expect("no name is taken twice").into_iter().flatten() {
            assert!(!metric.help.is_empty(), "{name}");
            for label in metric.labels {
                assert!(LABELS.iter().any(|(known, _)| known.split(' ').next() == Some(&label)), "{name}: {label} is not in LABELS");
            }
        }
    }

    #[test]
    fn has_the_names_that_are_fixed_and_their_types() {
        let page = page().expect("a page");
        for line in [
            "| `bbs_user_info_server_requests_duration_sec` | histogram | kind, operation |",
            "| `bbs_user_info_server_requests_throughput` | counter | kind, operation, code, reason |",
            "| `bbs_user_client_requests_throughput` | counter | kind, operation, code, reason |",
            "| `bbs_user_info_limiter_decisions_total` | counter | decision |",
            "| `bbs_user_info_panics_total` | counter |  |",
            "| `bbs_discovery_age_seconds` | gauge |",
            "| `user_info_operator_reconciles_total` | counter | outcome |",
        ] {
            assert!(page.contains(line), "{line}");
        }
    }
}
