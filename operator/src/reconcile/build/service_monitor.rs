//! What the Prometheus Operator is told.

use serde_json::json;

use super::{Child, Plan, pod};
use crate::kind::Kind;
use crate::names::Component;

/// A monitor of a component's Service, if there is to be one.
pub(super) fn build(plan: &Plan, component: Component) -> Option<Child> {
    if !plan.service_monitors {
        return None;
    }
    let name = plan.owner.object(component);
    let monitor = json!({
        "metadata": plan.owner.meta(name.clone(), component),
        "spec": {
            "selector": {"matchLabels": plan.owner.selector(component)},
            "endpoints": [{
                "port": pod::admin_port_name(&plan.resource, component),
                "path": "/metrics",
                "interval": "15s",
                // The headless Service leads to the same pods; they are to be scraped once.
                "relabelings": [{
                    "sourceLabels": ["__meta_kubernetes_service_name"],
                    "regex": name,
                    "action": "keep",
                }],
            }],
        },
    });
    Some(Child::new(Kind::ServiceMonitor, &monitor))
}
