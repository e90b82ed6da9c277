//! Which parts of Secrets pods get, and what they do with certificates.

use super::*;

const MUTUAL: &str = "
  server: {metricsPort: 9100, tls: {secretName: cert, clientCaSecretRef: {name: callers}}}
  client: {tls: {secretName: own}}
  data: {mysql: {mode: External, address: 'db:3306', secretRef: {name: db}}}
";

/// The keys of each Secret that the pods of a Deployment have.
fn mounted(children: &[Child], deployment: &str) -> Vec<String> {
    let pods = &one(children, deployment)["spec"]["template"]["spec"];
    let secrets = pods["volumes"].as_array().expect("volumes").iter().filter_map(|volume| volume.get("secret"));
    let keys = secrets.flat_map(|secret| {
        assert!(secret.get("optional").is_none_or(|optional| *optional == false), "{secret}");
        let items = secret["items"].as_array().expect("only the keys that are read");
        items.iter().map(|item| format!("{}/{}", secret["secretName"].as_str().expect("a name"), item["key"].as_str().expect("a key")))
    });
    keys.collect()
}

#[test]
fn pods_have_only_the_keys_that_they_read() {
    let all = children(MUTUAL);
    assert_eq!(mounted(&all, "Deployment demo-user-info"), ["callers/ca.crt", "cert/tls.crt", "cert/tls.key", "db/password"]);
    assert_eq!(mounted(&all, "Deployment demo-user-client"), ["cert/ca.crt", "own/tls.crt", "own/tls.key"], "not the service's key");
}

#[test]
fn d4_pods_of_the_service_have_what_mysql_asks_for() {
    let all = children(
        "
  data: {mysql: {mode: External, address: 'db:3306', caSecretRef: {name: ca}, tls: {mode: VerifyCa, secretName: own}}}
",
    );
    assert_eq!(mounted(&all, "Deployment demo-user-info"), ["ca/ca.crt", "own/tls.crt", "own/tls.key"]);
    let config = one(&all, "ConfigMap demo-user-info")["data"].to_string();
    assert!(config.contains("certFile: /etc/user-info/secrets/own/tls.crt"), "{config}");
}

#[test]
fn p8_both_programs_trust_the_collectors_authority() {
    let all = children(
        "
  tracing: {otlpEndpoint: 'https://otel.example.com:4317', caSecretRef: {name: otel}}
",
    );
    for component in ["user-info", "user-client"] {
        let mounts = mounted(&all, &format!("Deployment demo-{component}"));
        assert!(mounts.contains(&"otel/ca.crt".to_owned()), "{component}: {mounts:?}");
        let config = one(&all, &format!("ConfigMap demo-{component}"))["data"].to_string();
        assert!(config.contains("caFile: /etc/user-info/secrets/otel/ca.crt"), "{config}");
    }
}

#[test]
fn config_files_name_what_is_mounted_and_the_probes_stay_plain() {
    let all = children(MUTUAL);
    let config = |component: &str| one(&all, &format!("ConfigMap demo-{component}"))["data"].to_string();
    let (server, client) = (config("user-info"), config("user-client"));
    for part in ["certFile: /etc/user-info/secrets/cert/tls.crt", "clientCaFile: /etc/user-info/secrets/callers/ca.crt", "0.0.0.0:9100"] {
        assert!(server.contains(part), "{part}: {server}");
    }
    for part in ["caFile: /etc/user-info/secrets/cert/ca.crt", "keyFile: /etc/user-info/secrets/own/tls.key", "serverName: demo-user-info"]
    {
        assert!(client.contains(part), "{part}: {client}");
    }
    let container = &one(&all, "Deployment demo-user-info")["spec"]["template"]["spec"]["containers"][0];
    for probe in ["readinessProbe", "livenessProbe"] {
        assert_eq!(container[probe]["httpGet"]["port"], "metrics");
        assert!(container[probe]["httpGet"].get("scheme").is_none());
    }
    let ports = &one(&all, "Service demo-user-info")["spec"]["ports"];
    assert!(ports.as_array().expect("ports").iter().all(|port| port.get("appProtocol").is_none()), "not h2c: {ports}");
}
