//! The seed dashboard's queries, against a real Prometheus that finds the instances through our registry and by their addresses.

use std::net::SocketAddr;

use serde_json::Value;
use user_info_testing::http::get_json;
use user_info_testing::prometheus::Prometheus;
use user_info_testing::system::System;
use user_info_testing::wait::eventually;

/// The two queries of the seed's dashboard.
const QUERIES: [&str; 2] = [
    r#"ceil(increase(bbs_user_info_server_requests_duration_sec_bucket{le!="+Inf"}[1m]))"#,
    "sum(rate(bbs_user_info_server_requests_throughput[1m])) by (operation)",
];

#[tokio::test]
async fn the_dashboards_queries_find_series() {
    let system = System::start("  replicas: 2\n  client: {requestsPerSecond: 200, concurrency: 4}").await;
    let instances = system.instances();
    let targets = instances.iter().map(|i| format!("'{}'", i.http)).collect::<Vec<_>>().join(", ");
    let registry = system.row("registry").http;
    let config = format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs:\n\
         - job_name: bbs-user-info\n  static_configs: [{{targets: [{targets}]}}]\n\
         - job_name: discovered\n  consul_sd_configs: [{{server: '{registry}', services: [bbs.user.info], refresh_interval: 1s}}]\n  \
         relabel_configs:\n  - source_labels: [__meta_consul_service_address, __meta_consul_service_metadata_http_port]\n    \
         separator: ':'\n    target_label: __address__\n"
    );
    let prometheus = Prometheus::start(&config).await;
    let address = prometheus.address;

    for (query, by) in QUERIES.into_iter().zip(["le", "operation"]) {
        for job in ["bbs-user-info", "discovered"] {
            let selected = query
                .replace("_bucket{", &format!("_bucket{{job=\"{job}\","))
                .replace("throughput[", &format!("throughput{{job=\"{job}\"}}["));
            series(address, &selected, by).await;
        }
        let found = series(address, query, by).await;
        println!("{query}: {} series", found.len());
    }
    let up = series(address, "up == 1", "instance").await;
    assert_eq!(up.len(), 4, "two instances by two jobs: {up:?}");
}

/// Waits until `query` finds series that are not all zero and have the label `by`.
async fn series(prometheus: SocketAddr, query: &str, by: &str) -> Vec<Value> {
    let encoded: String = query.bytes().map(|b| format!("%{b:02X}")).collect();
    eventually(query, async || {
        let answer = get_json(prometheus, &format!("/api/v1/query?query={encoded}")).await;
        let found = answer["data"]["result"].as_array().cloned().unwrap_or_default();
        let grows = |s: &Value| s["value"][1].as_str().and_then(|n| n.parse::<f64>().ok()).is_some_and(|n| n > 0.0);
        if found.iter().any(grows) && found.iter().all(|s| s["metric"][by].is_string()) { Ok(found) } else { Err(answer) }
    })
    .await
}
