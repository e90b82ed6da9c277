//! Who reaches pods.

use std::collections::BTreeMap;

use k8s_openapi::api::networking::v1::{NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort, NetworkPolicySpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Child, Plan, pod};
use crate::kind::Kind;
use crate::names::{COMPONENT, Component, INSTANCE, OPERATOR};

/// A policy, if the resource wants one: the system's own client calls the service; its Consul opens connections to what is registered, as a
/// check; a Prometheus of the namespace, and the operator wherever it runs, reach the admin port alone. Nobody else reaches anything.
pub(super) fn build(plan: &Plan, component: Component) -> Option<Child> {
    if !plan.resource.spec.network_policy.enabled {
        return None;
    }
    let (callers, registered): (&[&str], &[&str]) = match component {
        Component::Server => (&["user-client", "consul"], &["grpc", "http"]),
        Component::Client => (&["consul"], &["metrics"]),
    };
    let own = LabelSelector {
        match_expressions: Some(vec![LabelSelectorRequirement {
            key: COMPONENT.to_owned(),
            operator: "In".to_owned(),
            values: Some(callers.iter().map(|&caller| caller.to_owned()).collect()),
        }]),
        ..labelled(INSTANCE, &plan.owner.name)
    };
    let own = NetworkPolicyPeer { pod_selector: Some(own), ..NetworkPolicyPeer::default() };
    let prometheus =
        NetworkPolicyPeer { pod_selector: Some(labelled("app.kubernetes.io/name", "prometheus")), ..NetworkPolicyPeer::default() };
    let operator = NetworkPolicyPeer {
        namespace_selector: Some(LabelSelector::default()),
        pod_selector: Some(labelled("app.kubernetes.io/name", OPERATOR)),
        ..NetworkPolicyPeer::default()
    };
    let policy = NetworkPolicy {
        metadata: plan.owner.meta(plan.owner.object(component), component),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector { match_labels: Some(plan.owner.selector(component)), ..LabelSelector::default() }),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![
                rule(vec![own], registered.iter().copied()),
                rule(vec![prometheus, operator], [pod::admin_port_name(&plan.resource, component)]),
            ]),
            ..NetworkPolicySpec::default()
        }),
    };
    Some(Child::new(Kind::NetworkPolicy, &policy))
}

fn labelled(key: &str, value: &str) -> LabelSelector {
    LabelSelector { match_labels: Some(BTreeMap::from([(key.to_owned(), value.to_owned())])), ..LabelSelector::default() }
}

fn rule(from: Vec<NetworkPolicyPeer>, ports: impl IntoIterator<Item = &'static str>) -> NetworkPolicyIngressRule {
    let ports = ports.into_iter().map(|name| NetworkPolicyPort {
        port: Some(IntOrString::String(name.to_owned())),
        protocol: Some("TCP".to_owned()),
        ..NetworkPolicyPort::default()
    });
    NetworkPolicyIngressRule { from: Some(from), ports: Some(ports.collect()) }
}
