//! Names for pods.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Child, Plan, pod};
use crate::kind::Kind;
use crate::names::Component;

/// What callers, or those who scrape the client, use.
pub(super) fn build(plan: &Plan, component: Component) -> Child {
    service(plan, component, plan.owner.object(component), ServiceSpec::default())
}

/// The name whose addresses are the instances that are ready, for clients that balance by themselves.
pub(super) fn peers(plan: &Plan) -> Child {
    let headless = ServiceSpec { cluster_ip: Some("None".to_owned()), ..ServiceSpec::default() };
    service(plan, Component::Server, plan.owner.peers(), headless)
}

fn service(plan: &Plan, component: Component, name: String, spec: ServiceSpec) -> Child {
    let ports = pod::ports(&plan.resource, component).into_iter().map(|(name, port)| ServicePort {
        name: Some(name.to_owned()),
        port: port.into(),
        target_port: Some(IntOrString::String(name.to_owned())),
        protocol: Some("TCP".to_owned()),
        app_protocol: (name == "grpc" && plan.resource.spec.server.tls.is_none()).then(|| "kubernetes.io/h2c".to_owned()),
        ..ServicePort::default()
    });
    let service = Service {
        metadata: plan.owner.meta(name, component),
        spec: Some(ServiceSpec { selector: Some(plan.owner.selector(component)), ports: Some(ports.collect()), ..spec }),
        ..Service::default()
    };
    Child::new(Kind::Service, &service)
}
