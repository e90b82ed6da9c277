//! Turns what the services count into samples.

use std::collections::BTreeMap;

use user_info_api::config::BreakerMode;

use super::sample::{Breaker, BreakerState, ClientSample, InstanceSample};

/// What a service counts, in Prometheus' text exposition format: by series, as `name{label="value",…}`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Exposition(BTreeMap<String, Series>);

#[derive(Debug, Clone, Default, PartialEq)]
struct Series {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

impl Exposition {
    /// Reads the text format; lines that are none are passed over.
    pub(super) fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        Self(lines.filter_map(|line| Some((line.rsplit_once(' ')?.0.to_owned(), series(line)?))).collect())
    }

    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = (&'a String, &'a Series)> {
        self.0.iter().filter(move |(_, series)| series.name == name)
    }

    /// The sum of all series of this name.
    fn sum(&self, name: &str) -> f64 {
        self.named(name).map(|(_, s)| s.value).sum()
    }

    /// How much each series of this name has grown since `before`, added up by what `key` makes of its labels. A counter that is lower than
    /// before was started anew.
    fn growth(&self, before: &Self, name: &str, key: impl Fn(&BTreeMap<String, String>) -> String) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for (id, series) in self.named(name) {
            let old = before.0.get(id).map_or(0.0, |s| s.value);
            let growth = if series.value >= old { series.value - old } else { series.value };
            *sums.entry(key(&series.labels)).or_default() += growth;
        }
        sums
    }
}

fn series(line: &str) -> Option<Series> {
    let (id, value) = line.rsplit_once(' ')?;
    let value = value.parse().ok()?;
    let Some((name, labels)) = id.split_once('{') else { return Some(Series { name: id.to_owned(), value, ..Series::default() }) };
    let mut rest = labels.strip_suffix('}')?;
    let mut found = BTreeMap::new();
    while let Some((label, after)) = rest.split_once("=\"") {
        let end = after.match_indices('"').map(|(at, _)| at).find(|at| !ends_in_escape(&after[..*at]))?;
        found.insert(label.to_owned(), after[..end].replace("\\\"", "\"").replace("\\n", "\n").replace("\\\\", "\\"));
        rest = after[end + 1..].trim_start_matches(',');
    }
    Some(Series { name: name.to_owned(), labels: found, value })
}

fn ends_in_escape(text: &str) -> bool {
    text.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 1
}

fn code_and_reason(labels: &BTreeMap<String, String>) -> String {
    let label = |name| labels.get(name).map_or("", String::as_str);
    format!("{} {}", label("code"), label("reason")).trim_end().to_owned()
}

fn rates(growth: BTreeMap<String, f64>, seconds: f64) -> BTreeMap<String, f64> {
    growth.into_iter().filter(|(_, n)| *n > 0.0).map(|(key, n)| (key, n / seconds)).collect()
}

/// What an instance did in the `seconds` between two looks.
pub(super) fn instance(name: &str, address: &str, before: &Exposition, now: &Exposition, seconds: f64) -> InstanceSample {
    let codes = rates(now.growth(before, "bbs_user_info_server_requests_throughput", code_and_reason), seconds);
    let bound = |labels: &BTreeMap<String, String>| labels.get("le").cloned().unwrap_or_default();
    let latency = now.growth(before, "bbs_user_info_server_requests_duration_sec_bucket", bound);
    InstanceSample {
        name: name.to_owned(),
        address: address.to_owned(),
        calls_per_s: codes.values().sum(),
        codes,
        latency: latency.into_iter().map(|(le, n)| (le, n / seconds)).collect(),
        inflight: now.sum("bbs_user_info_server_requests_in_flight").max(0.0) as u64,
    }
}

/// What the clients together did in the `seconds` between two looks.
pub(super) fn clients(looks: &[(Exposition, Exposition)], mode: Option<BreakerMode>, seconds: f64) -> Option<ClientSample> {
    if looks.is_empty() {
        return None;
    }
    let mut codes: BTreeMap<String, f64> = BTreeMap::new();
    let mut instances: BTreeMap<String, f64> = BTreeMap::new();
    let mut buckets: BTreeMap<String, f64> = BTreeMap::new();
    let mut open = false;
    for (before, now) in looks {
        add(&mut codes, now.growth(before, "bbs_user_client_requests_throughput", code_and_reason));
        let of = |label: &'static str| move |labels: &BTreeMap<String, String>| labels.get(label).cloned().unwrap_or_default();
        add(&mut instances, now.growth(before, "bbs_user_client_instance_requests_total", of("instance")));
        add(&mut buckets, now.growth(before, "bbs_user_client_requests_duration_sec_bucket", of("le")));
        open |= now.sum("bbs_user_client_breaker_state") > 0.0;
    }
    let codes = rates(codes, seconds);
    let calls: f64 = codes.values().sum();
    let refused = codes.get("503 CIRCUITBREAKER").copied().unwrap_or_default();
    let breaker = mode.map(|mode| Breaker {
        state: if open { BreakerState::Open } else { BreakerState::Closed },
        mode,
        admission: if calls > 0.0 { 1.0 - refused / calls } else { 1.0 },
    });
    Some(ClientSample {
        calls_per_s: calls,
        codes,
        instances: rates(instances, seconds),
        breaker,
        p50: quantile(&buckets, 0.5),
        p99: quantile(&buckets, 0.99),
    })
}

fn add(sums: &mut BTreeMap<String, f64>, more: BTreeMap<String, f64>) {
    for (key, n) in more {
        *sums.entry(key).or_default() += n;
    }
}

/// As Prometheus' `histogram_quantile`: linear within a bucket.
fn quantile(buckets: &BTreeMap<String, f64>, q: f64) -> Option<f64> {
    let mut bounds: Vec<(f64, f64)> = buckets.iter().filter_map(|(le, n)| Some((le.parse().ok()?, *n))).collect();
    bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let total = bounds.last().map(|(_, n)| *n).filter(|n| *n > 0.0)?;
    let rank = q * total;
    let (mut lower, mut below) = (0.0, 0.0);
    for (bound, upto) in bounds {
        if upto >= rank {
            let within = if upto > below { (rank - below) / (upto - below) } else { 0.0 };
            return Some(if bound.is_finite() { lower + (bound - lower) * within } else { lower });
        }
        (lower, below) = (bound, upto);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(ok: u32, limited: u32) -> Exposition {
        Exposition::parse(&format!(
            "# HELP x y\nbbs_user_info_server_requests_throughput{{code=\"0\",kind=\"grpc\",operation=\"/a\",reason=\"\"}} {ok}\n\
             bbs_user_info_server_requests_throughput{{code=\"429\",kind=\"grpc\",operation=\"/a\",reason=\"RATELIMIT\"}} {limited}\n\
             bbs_user_info_server_requests_duration_sec_bucket{{kind=\"grpc\",operation=\"/a\",le=\"0.01\"}} {ok}\n\
             bbs_user_info_server_requests_in_flight{{kind=\"grpc\"}} 3\n"
        ))
    }

    #[test]
    fn rates_are_growth_over_time() {
        let sample = instance("user_info-1", "a:1", &look(100, 0), &look(300, 50), 2.0);
        assert_eq!(sample.codes, BTreeMap::from([("0".into(), 100.0), ("429 RATELIMIT".into(), 25.0)]));
        assert_eq!((sample.calls_per_s, sample.latency["0.01"], sample.inflight), (125.0, 100.0, 3));
    }

    #[test]
    fn a_restarted_counter_counts_from_zero() {
        assert_eq!(instance("a", "a:1", &look(100, 0), &look(30, 0), 1.0).calls_per_s, 30.0);
    }

    #[test]
    fn reads_labels_with_escapes() {
        let series = series(r#"a{b="x\"y,z",c="q\\"} 4"#).expect("a series");
        assert_eq!((series.labels["b"].as_str(), series.labels["c"].as_str(), series.value), ("x\"y,z", "q\\", 4.0));
    }

    #[test]
    fn quantiles_are_those_of_prometheus() {
        let buckets = BTreeMap::from([("0.01".into(), 50.0), ("0.025".into(), 100.0), ("+Inf".into(), 100.0)]);
        assert_eq!(quantile(&buckets, 0.5), Some(0.01));
        assert_eq!(quantile(&buckets, 0.75), Some(0.0175));
        assert_eq!(quantile(&BTreeMap::new(), 0.5), None);
    }
}
