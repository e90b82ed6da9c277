use super::*;
use crate::addons::values;
use crate::addons::{Addon, Managed};
use crate::names::Owner;
use crate::reason::{Class, Reason};
use crate::reconcile::faults::clock;
use crate::roles::Roles;
use k8s_openapi::jiff::Timestamp;
use user_info_api::crd::load;

/// A resource with this spec, in YAML.
pub(crate) fn resource(spec: &str) -> UserInfoDeployment {
    let text =
        format!("apiVersion: userinfo.bbs.dev/v1alpha1\nkind: UserInfoDeployment\nmetadata: {{name: demo, namespace: ns}}\nspec: {spec}\n");
    let mut resource = load(&text).expect("valid");
    resource.metadata.generation = Some(4);
    resource.metadata.uid = Some("uid-of-demo".to_owned());
    resource
}

/// What is found for a resource that lacks nothing.
pub(crate) fn found(resource: &UserInfoDeployment) -> Found {
    let now = Timestamp::from_second(1_700_000_000).expect("in range");
    Found {
        owner: Owner::of(&resource.metadata),
        missing: Vec::new(),
        server: None,
        client: None,
        clock: clock(resource.spec.fault_injection.as_ref(), None, now),
        service_monitors: false,
        pods_role: Some(Roles::Cluster("ops:operator".to_owned()).pods()),
        managed: Managed::new("demo", &resource.spec, &values::all(resource, None, &BTreeMap::new())),
        data: Addon::MySql.managed(&resource.spec).then(|| "uid-of-data".to_owned()),
        now,
    }
}

fn plan(spec: &str) -> Result<Plan, Error> {
    let resource = resource(spec);
    validate(&resource, found(&resource))
}

#[test]
fn what_cannot_be_done_in_a_cluster_is_refused_with_its_reason() {
    for (spec, reason) in [
        ("{server: {weights: [100, 50]}}", Reason::UnequalWeights),
        ("{addons: {prometheus: {serviceMonitor: Enabled}}}", Reason::NoServiceMonitors),
    ] {
        assert_eq!(plan(spec).err().map(|error| error.reason()), Some(reason), "{spec}");
    }
    assert!(plan("{server: {weights: [50, 50]}}").is_ok());
}

#[test]
fn what_the_services_would_refuse_is_told_of_the_field_it_came_from() {
    let said = "spec.data.mysql.values: \"demo-mysql:0\" is not host:port, such as 127.0.0.1:3306, nor an absolute path of a socket; \
                port 0 is out of range, allowed is 1 to 65535";
    let spec = "{data: {mysql: {mode: Managed, values: {port: 0}}}}";
    let error = plan(spec).expect_err("refused");
    assert_eq!((error.class(), error.reason(), error.to_string()), (Class::Permanent, Reason::InvalidSpec, said.to_owned()));
    assert_eq!(offline(&resource(spec)).map_err(|error| error.to_string()), Err(said.to_owned()));

    // An older definition let it through.
    let mut resource = resource("{data: {redis: {mode: External, address: 'cache:6379'}}}");
    resource.spec.data.redis.address = Some("cache:70000".to_owned());
    resource.spec.client.timeout = user_info_api::Duration::from_secs(7200);
    let first = "spec.data.redis.address: \"cache:70000\" is not host:port, such as 127.0.0.1:6379, nor an absolute path of a socket; \
                 port 70000 is out of range, allowed is 1 to 65535";
    assert_eq!(validate(&resource, found(&resource)).expect_err("refused").to_string(), first);
    let all = format!("{first}\nspec.client.timeout: 2h is out of range; allowed is 1ms to 1h");
    assert_eq!(offline(&resource).map_err(|error| error.to_string()), Err(all));
}

#[test]
fn a_missing_secret_is_refused() {
    let resource = resource("{}");
    let missing = vec![Error::SecretMissing { name: "db".to_owned(), field: "spec.data.mysql.secretRef" }];
    let error = validate(&resource, Found { missing, ..found(&resource) }).expect_err("missing");
    assert_eq!(error.to_string(), "Secret db does not exist; spec.data.mysql.secretRef names it");
}

#[test]
fn the_generation_of_a_config_file_is_the_one_it_last_changed_at() {
    let first = plan("{replicas: 1}").expect("valid").server;
    assert_eq!(first.version.generation, 4);
    let again = |spec: &str| {
        let mut resource = resource(spec);
        resource.metadata.generation = Some(5);
        let found = Found { server: Some(first.version.clone()), ..found(&resource) };
        validate(&resource, found).expect("valid").server
    };
    assert_eq!(again("{replicas: 9}"), first, "only scaled");
    let limited = again("{rateLimiter: {requestsPerSecond: 5}}");
    assert_eq!((limited.version.generation, &limited.restart_hash), (5, &first.restart_hash), "changed live");
    assert_ne!(limited.version.hash, first.version.hash);
    assert_ne!(again("{server: {grpcPort: 9002}}").restart_hash, first.restart_hash, "takes a restart");
}

#[test]
fn expired_faults_are_left_out() {
    let resource = resource("{faultInjection: {abort: {percentage: 10}, expireAfter: 60s}}");
    let live = |now: i64| {
        let now = Timestamp::from_second(now).expect("in range");
        validate(&resource, Found { now, ..found(&resource) }).expect("valid").server.live["faultInjection"].clone()
    };
    assert_eq!(live(1_700_000_059)["expiresAt"], "2023-11-14T22:14:20.000Z");
    assert!(live(1_700_000_060).is_null());
}
