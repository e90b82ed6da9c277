//! Events about resources.

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Resource;
use kube::runtime::events::{Event, EventType};
use user_info_api::crd::UserInfoDeployment;

use crate::context::Context;
use crate::reason::Reason;

/// Longest note of an Event, in bytes, with room for the sign that it was cut; the API server takes 1 KiB.
const LONGEST_NOTE: usize = 1000;

/// Writes an Event about the resource. That it cannot be written is only logged: Events are for people.
pub async fn event(resource: &ObjectReference, type_: EventType, reason: Reason, action: &str, note: String, context: &Context) {
    let event = Event { type_, reason: reason.name().to_owned(), note: Some(shortened(note)), action: action.to_owned(), secondary: None };
    if let Err(error) = context.recorder.publish(&event, resource).await {
        tracing::warn!(%error, reason = reason.name(), "an Event could not be written");
    }
}

/// Says which objects someone else had changed and were changed back by `action`.
pub async fn corrected(resource: &UserInfoDeployment, action: &str, objects: &[String], context: &Context) {
    let note = format!("changed by someone else and changed back: {}", objects.join(", "));
    event(&resource.object_ref(&()), EventType::Normal, Reason::DriftCorrected, action, note, context).await;
}

/// The note as far as an Event takes it.
fn shortened(note: String) -> String {
    match note.char_indices().map(|(at, c)| at + c.len_utf8()).take_while(|end| *end <= LONGEST_NOTE).last() {
        Some(end) if end < note.len() => format!("{}…", &note[..end]),
        _ => note,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_cut_between_characters() {
        assert_eq!(shortened("short".to_owned()), "short");
        let cut = shortened("ä".repeat(LONGEST_NOTE));
        assert_eq!((cut.chars().count(), cut.ends_with("ä…")), (LONGEST_NOTE / 2 + 1, true));
    }
}
