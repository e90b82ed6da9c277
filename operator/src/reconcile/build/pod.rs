//! The pods of a component.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, HTTPGetAction, LocalObjectReference, PodSecurityContext, PodSpec, Probe,
    ResourceRequirements, SeccompProfile, SecurityContext, TopologySpreadConstraint,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use user_info_api::Duration;
use user_info_api::crd::{Image, StoreMode, UserInfoDeployment};

use super::volumes::{CONFIG, mounts, volumes};
use super::{Plan, config_map};
use crate::names::Component;

/// User and group of the programs, as in the image.
const USER: i64 = 65_532;
/// Time on top of drainDelay and shutdownTimeout before a pod is killed, in seconds.
const GRACE: i64 = 5;

/// The ports of a component's pods with their names. `http` serves the admin endpoints of `user_info` unless there is `metrics`.
pub(super) fn ports(resource: &UserInfoDeployment, component: Component) -> Vec<(&'static str, u16)> {
    let server = &resource.spec.server;
    match component {
        Component::Client => vec![("metrics", resource.spec.client.metrics_port)],
        Component::Server => {
            let metrics = server.metrics_port.map(|port| ("metrics", port));
            [("grpc", server.grpc_port), ("http", server.http_port)].into_iter().chain(metrics).collect()
        }
    }
}

/// The port with the admin endpoints.
pub(super) fn admin_port_name(resource: &UserInfoDeployment, component: Component) -> &'static str {
    match component {
        Component::Server if resource.spec.server.metrics_port.is_none() => "http",
        _ => "metrics",
    }
}

/// A component's image.
pub(in crate::reconcile) fn image(resource: &UserInfoDeployment, component: Component) -> &Image {
    let spec = &resource.spec;
    match component {
        Component::Server => &spec.image,
        Component::Client => spec.client.image.as_ref().unwrap_or(&spec.image),
    }
}

/// A pod of a component: without privileges, and without a token for the API server.
pub(super) fn spec(plan: &Plan, component: Component) -> PodSpec {
    let spec = &plan.resource.spec;
    let scheduling = &spec.scheduling;
    let pull_secrets = &image(&plan.resource, component).pull_secrets;
    let stop = match component {
        Component::Server => seconds(spec.server.drain_delay) + seconds(spec.server.shutdown_timeout),
        Component::Client => seconds(spec.client.timeout),
    };
    PodSpec {
        service_account_name: Some(plan.owner.object(component)),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(stop + GRACE),
        security_context: Some(spec.pod_template.security_context.clone().unwrap_or_else(strict)),
        image_pull_secrets: some(pull_secrets.iter().map(|secret| LocalObjectReference { name: secret.name.clone() }).collect()),
        node_selector: Some(scheduling.node_selector.clone()).filter(|labels| !labels.is_empty()),
        tolerations: some(scheduling.tolerations.clone()),
        affinity: scheduling.affinity.clone(),
        topology_spread_constraints: Some(spread(plan, component)),
        priority_class_name: scheduling.priority_class_name.clone(),
        init_containers: some(steps(plan, component)),
        containers: vec![container(plan, component)],
        volumes: Some(volumes(plan, component)),
        ..PodSpec::default()
    }
}

fn container(plan: &Plan, component: Component) -> Container {
    let ports = ports(&plan.resource, component).into_iter().map(|(name, port)| ContainerPort {
        name: Some(name.to_owned()),
        container_port: port.into(),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    });
    Container {
        ports: Some(ports.collect()),
        readiness_probe: Some(Probe { period_seconds: Some(1), failure_threshold: Some(2), ..probe(plan, component, "/readyz") }),
        liveness_probe: Some(Probe { period_seconds: Some(10), failure_threshold: Some(3), ..probe(plan, component, "/healthz") }),
        ..program(plan, component, component.name(), &[])
    }
}

/// What has to be done in a new pod first. Embedded stores begin empty in each pod. Stores of someone else are never changed unasked, and a
/// pod that can do without page views begins without their store.
fn steps(plan: &Plan, component: Component) -> Vec<Container> {
    let data = &plan.resource.spec.data;
    if component != Component::Server || data.mysql.mode != StoreMode::Embedded {
        return Vec::new();
    }
    let seed: &[&str] = match data.redis.mode {
        StoreMode::Embedded => &["seed"],
        StoreMode::Managed => &["seed", "--views=optional"],
        StoreMode::External => &["seed", "--views=omitted"],
    };
    vec![program(plan, component, "migrate", &["migrate"]), program(plan, component, "seed", seed)]
}

/// A container that runs a component's program.
pub(super) fn program(plan: &Plan, component: Component, name: &str, arguments: &[&str]) -> Container {
    let spec = &plan.resource.spec;
    let image = image(&plan.resource, component);
    let (env, resources): (&[EnvVar], _) = match component {
        Component::Server => (&spec.server.env, &spec.server.resources),
        Component::Client => (&spec.client.env, &spec.client.resources),
    };
    let config = ["--config".to_owned(), format!("{CONFIG}/{}", config_map::key(component))];
    Container {
        name: name.to_owned(),
        image: Some(image.reference(spec.image_registry.as_deref())),
        image_pull_policy: Some(format!("{:?}", image.pull_policy)),
        command: Some(vec![component.program().to_owned()]),
        args: Some(arguments.iter().map(|&argument| argument.to_owned()).chain(config).collect()),
        env: some(env.to_vec()),
        resources: Some(resources.clone().unwrap_or_else(modest)),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(mounts(plan, component)),
        ..Container::default()
    }
}

fn probe(plan: &Plan, component: Component, path: &str) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(admin_port_name(&plan.resource, component).to_owned()),
            ..HTTPGetAction::default()
        }),
        timeout_seconds: Some(2),
        ..Probe::default()
    }
}

/// The constraints of the resource, else pods of one version are spread over nodes as far as that goes.
fn spread(plan: &Plan, component: Component) -> Vec<TopologySpreadConstraint> {
    let own = &plan.resource.spec.scheduling.topology_spread_constraints;
    if !own.is_empty() {
        return own.clone();
    }
    vec![TopologySpreadConstraint {
        max_skew: 1,
        topology_key: "kubernetes.io/hostname".to_owned(),
        when_unsatisfiable: "ScheduleAnyway".to_owned(),
        label_selector: Some(LabelSelector { match_labels: Some(plan.owner.selector(component)), ..LabelSelector::default() }),
        match_label_keys: Some(vec!["pod-template-hash".to_owned()]),
        ..TopologySpreadConstraint::default()
    }]
}

/// What the `restricted` profile of the Pod Security Standards asks for.
fn strict() -> PodSecurityContext {
    PodSecurityContext {
        run_as_non_root: Some(true),
        run_as_user: Some(USER),
        run_as_group: Some(USER),
        fs_group: Some(USER),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
        ..PodSecurityContext::default()
    }
}

/// Enough for some ten thousand calls a second.
pub(super) fn modest() -> ResourceRequirements {
    let amounts = |cpu: &str, memory: &str| {
        let amounts = [("cpu", cpu), ("memory", memory)].map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned())));
        Some(BTreeMap::from(amounts))
    };
    ResourceRequirements { requests: amounts("50m", "64Mi"), limits: amounts("1", "256Mi"), ..ResourceRequirements::default() }
}

/// Whole seconds, rounded up.
fn seconds(span: Duration) -> i64 {
    i64::try_from(span.get().as_millis().div_ceil(1000)).unwrap_or(i64::MAX)
}

/// Server-side apply tells an empty list from none; pods do not.
pub(super) fn some<T>(list: Vec<T>) -> Option<Vec<T>> {
    Some(list).filter(|list| !list.is_empty())
}
