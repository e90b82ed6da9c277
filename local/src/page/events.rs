//! The event stream that the page lives on.
//!
//! `state` comes first and holds everything; `snapshot` follows whenever something changes, `sample` each second. A tab that fell behind
//! gets `state` again.

use std::convert::Infallible;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::StreamExt;
use futures_util::stream::{self, Stream};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::AppState;
use super::error::PageError;

/// Everything the page shows, once.
pub(super) async fn state(State(state): State<AppState>) -> impl IntoResponse {
    let everything = state.everything(state.samples.kept());
    ([(CACHE_CONTROL, "no-store")], everything)
}

/// Everything the page shows, and then what changes, until the system ends; as long as it has one of the permits of `streams`.
pub(super) async fn stream(
    State(state): State<AppState>,
    streams: Arc<Semaphore>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, PageError> {
    let permit = streams.try_acquire_owned().map_err(|_| PageError::Tabs)?;
    Ok(Sse::new(events(state, permit)).keep_alive(KeepAlive::default()))
}

/// Keeps its `permit` until it ends or is dropped.
fn events(mut state: AppState, permit: OwnedSemaphorePermit) -> impl Stream<Item = Result<Event, Infallible>> {
    state.snapshot.mark_unchanged();
    let (samples, news) = state.samples.subscribe();
    let Json(first) = state.everything(samples);
    let first = stream::once(std::future::ready(Ok(event("state", &first))));
    first.chain(stream::unfold((state, news, permit), |(mut state, mut news, permit)| async move {
        let next = tokio::select! {
            changed = state.snapshot.changed() => {
                changed.ok()?;
                event("snapshot", &*state.snapshot.borrow_and_update().clone())
            }
            sample = news.recv() => match sample {
                Ok(sample) => event("sample", &*sample),
                Err(RecvError::Closed) => return None,
                Err(RecvError::Lagged(_)) => {
                    let (samples, again) = state.samples.subscribe();
                    news = again;
                    event("state", &state.everything(samples).0)
                }
            },
        };
        Some((Ok(next), (state, news, permit)))
    }))
}

fn event(name: &str, data: &impl Serialize) -> Event {
    let data = serde_json::to_string(data).expect("the view has string keys and no failing serializer");
    Event::default().event(name).data(data)
}
