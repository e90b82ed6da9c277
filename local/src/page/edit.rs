//! Edits of the running spec.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request, State};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::error::PageError;
use super::{AppState, guard};

/// The generation that the edit brought into force, or one sentence for each field that is wrong (`field: what is allowed`).
pub type EditReply = Result<i64, Vec<String>>;

/// An edit made on the page.
#[derive(Debug)]
pub struct Edit {
    /// JSON merge patch (RFC 7396) on the object's spec.
    pub patch: Value,
    /// Takes what came of it. The browser waits for it.
    pub reply: oneshot::Sender<EditReply>,
}

/// Hands the patch in the body over and tells what came of it.
pub(super) async fn patch(State(state): State<AppState>, request: Request) -> Result<Json<Value>, PageError> {
    guard::authorise(request.headers(), &state.token)?;
    let Json(patch) = Json::<Value>::from_request(request, &()).await.map_err(|e: JsonRejection| PageError::Body(e.body_text()))?;
    if !patch.is_object() {
        return Err(PageError::Body("the body must be a JSON object, a merge patch on the spec, such as {\"replicas\": 3}".to_owned()));
    }
    let (reply, answer) = oneshot::channel();
    state.edits.send(Edit { patch, reply }).await.map_err(|_| PageError::Closing)?;
    let generation = answer.await.map_err(|_| PageError::Closing)?.map_err(PageError::Refused)?;
    Ok(Json(json!({"generation": generation})))
}
