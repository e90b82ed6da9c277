use std::collections::BTreeMap;

use super::*;
use crate::addons::values;
use crate::addons::{Addon, Managed};
use crate::names::Owner;
use crate::reason::Reason;
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
