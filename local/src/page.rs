//! The web page: what runs, how it fares second by second, and controls that edit the running spec.
//!
//! Nothing is fetched from elsewhere: the files under `assets/` are compiled in, and the charts are drawn by the plotly.js that the
//! `plotly` crate carries. A browser learns everything from one event stream (`/api/events`); every edit is a JSON merge patch (RFC 7396)
//! that goes through the same checks as the file.

mod assets;
mod edit;
mod error;
mod events;
mod guard;
mod token;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, watch};
use user_info_bounded::Bounds;

pub use edit::{Edit, EditReply};
pub use token::Token;

use crate::sampler::{Sample, Samples};
use crate::view::Snapshot;

/// What browsers may hold. A tab has six connections at most.
const BOUNDS: Bounds = Bounds { connections: 256, ..Bounds::DEFAULT };
/// Event streams, that is tabs, that may be open at a time; the other connections are for what tabs ask for.
const MAX_STREAMS: usize = 64;
/// Largest patch of the spec, in bytes.
const MAX_PATCH: usize = 256 << 10;

/// What the page shows and whom it asks.
#[derive(Debug, Clone)]
pub struct AppState {
    /// What runs. The page's event streams end when the sender is gone, so that a graceful shutdown does not wait for open tabs.
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    /// One sample a second, and the last five minutes of them.
    pub samples: Arc<Samples>,
    /// Takes the edits made on the page.
    pub edits: mpsc::Sender<Edit>,
    /// What a request that edits the spec must know.
    pub token: Token,
    /// Port that the page is served on; a `Host` or `Origin` that names another one is refused.
    pub port: u16,
}

/// Serves the page and its API on `listener`, which listens on loopback at `state.port`, until `stop`.
pub async fn serve(listener: TcpListener, state: AppState, stop: impl Future<Output = ()>) {
    user_info_bounded::serve(listener, router(state), BOUNDS, stop).await;
}

/// The page and its API.
fn router(state: AppState) -> Router {
    let streams = Arc::new(Semaphore::new(MAX_STREAMS));
    Router::new()
        .route("/api/state", get(events::state))
        .route("/api/events", get(async move |state: State<AppState>| events::stream(state, Arc::clone(&streams)).await))
        .route("/api/spec", post(edit::patch))
        .route("/api/spec.yaml", get(yaml))
        .merge(assets::routes())
        .fallback(error::not_found)
        .method_not_allowed_fallback(error::method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_PATCH))
        .layer(middleware::from_fn_with_state(state.port, guard::same_site))
        .layer(middleware::map_response(guard::add_headers))
        .with_state(state)
}

/// The running spec as a file that `user-info-local` and `kubectl apply` take.
async fn yaml(State(state): State<AppState>) -> impl IntoResponse {
    let yaml = state.snapshot.borrow().yaml.clone();
    ([(CONTENT_TYPE, "application/yaml; charset=utf-8"), (CACHE_CONTROL, "no-store")], yaml)
}

/// Everything the page shows, and the token that lets it edit.
#[derive(Debug, serde::Serialize)]
struct Everything {
    token: Token,
    snapshot: Arc<Snapshot>,
    samples: Vec<Arc<Sample>>,
}

impl AppState {
    fn everything(&self, samples: Vec<Arc<Sample>>) -> Json<Everything> {
        Json(Everything { token: self.token.clone(), snapshot: self.snapshot.borrow().clone(), samples })
    }
}
