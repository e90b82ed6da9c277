//! Why pods are missing.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{ContainerStateWaiting, ContainerStatus, PersistentVolumeClaim, Pod};

use crate::reason::Reason;

/// Why pods are missing: something that time alone does not mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// Its name: the same in conditions, Events and metrics.
    pub reason: Reason,
    /// The matter, in a sentence that does not change from one look to the next.
    pub message: String,
}

impl Trouble {
    /// What keeps a pod from being ready; the first that is found.
    pub fn of_pods(pods: &[Pod]) -> Option<Self> {
        pods.iter().filter(|pod| pod.metadata.deletion_timestamp.is_none()).find_map(|pod| waiting(pod).or_else(|| unscheduled(pod)))
    }

    /// Whether the scheduler says that it is for want of a volume.
    pub fn wants_volume(&self) -> bool {
        let message = self.message.to_lowercase();
        self.reason == Reason::Unschedulable && ["persistentvolumeclaim", "persistent volume"].iter().any(|word| message.contains(word))
    }

    /// A claim to which the cluster gives no volume.
    pub fn of_claim(claim: &PersistentVolumeClaim) -> Option<Self> {
        let phase = claim.status.as_ref().and_then(|status| status.phase.as_deref());
        if phase == Some("Bound") {
            return None;
        }
        let name = claim.metadata.name.as_deref().unwrap_or_default();
        let spec = claim.spec.as_ref();
        let class = spec.and_then(|spec| spec.storage_class_name.as_deref()).filter(|class| !class.is_empty());
        let class = class.map_or_else(|| "the default storage class".to_owned(), |class| format!("storage class {class}"));
        let size = spec.and_then(|spec| spec.resources.as_ref()?.requests.as_ref()?.get("storage"));
        let size = size.map_or_else(String::new, |size| format!(" of {}", size.0));
        let message =
            format!("the cluster gives PersistentVolumeClaim {name} no volume{size} in {class}; `kubectl describe pvc {name}` says why");
        Some(Self { reason: Reason::VolumeUnbound, message })
    }

    /// What keeps a Deployment from making pods.
    pub fn of_deployment(deployment: &Deployment) -> Option<Self> {
        let conditions = deployment.status.as_ref().and_then(|status| status.conditions.as_ref()).into_iter().flatten();
        conditions
            .filter_map(|condition| {
                let message = condition.message.clone().unwrap_or_default();
                match (condition.type_.as_str(), condition.status.as_str()) {
                    ("ReplicaFailure", "True") if message.contains("exceeded quota") => {
                        Some(Self { reason: Reason::QuotaExceeded, message: steady(&message) })
                    }
                    ("ReplicaFailure", "True") => Some(Self { reason: Reason::PodsRefused, message: steady(&message) }),
                    ("Progressing", "False") => Some(Self { reason: Reason::NoProgress, message }),
                    _ => None,
                }
            })
            .min_by_key(|trouble| trouble.reason == Reason::NoProgress)
    }
}

fn waiting(pod: &Pod) -> Option<Trouble> {
    let status = pod.status.as_ref()?;
    let containers = status.init_container_statuses.iter().chain(&status.container_statuses).flatten();
    containers.filter_map(|container| Some((container, container.state.as_ref()?.waiting.as_ref()?))).find_map(judge)
}

fn judge((container, waiting): (&ContainerStatus, &ContainerStateWaiting)) -> Option<Trouble> {
    let reason = waiting.reason.as_deref()?;
    let (image, name) = (&container.image, &container.name);
    match reason {
        "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull" | "ImageInspectError" => {
            Some(Trouble { reason: Reason::ImageUnusable, message: format!("image {image} cannot be used") })
        }
        "CrashLoopBackOff" => {
            let code = container.last_state.as_ref().and_then(|last| last.terminated.as_ref()).map(|end| end.exit_code);
            let code = code.map_or_else(String::new, |code| format!(" with exit code {code}"));
            Some(Trouble { reason: Reason::Crashing, message: format!("container {name} ends again and again{code}; see its log") })
        }
        "CreateContainerConfigError" | "CreateContainerError" | "RunContainerError" => {
            let message = waiting.message.clone().unwrap_or_default();
            Some(Trouble { reason: Reason::ContainerRefused, message: format!("container {name} cannot be started: {message}") })
        }
        _ => None,
    }
}

fn unscheduled(pod: &Pod) -> Option<Trouble> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let condition = conditions.iter().find(|condition| condition.type_ == "PodScheduled" && condition.status == "False")?;
    let message = condition.message.clone().unwrap_or_default();
    (condition.reason.as_deref() == Some("Unschedulable")).then_some(Trouble { reason: Reason::Unschedulable, message })
}

/// Without the names of pods, which differ from one try to the next.
fn steady(message: &str) -> String {
    match message.split_once("\" is forbidden: ") {
        Some((_, why)) => format!("pods are refused: {why}"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests;
