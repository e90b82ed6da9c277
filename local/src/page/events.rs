//! The event stream that the page lives on.
//!
//! `state` comes first and holds everything; `snapshot` follows whenever something changes, `sample` each second. A tab that fell behind
//! gets `state` again.

use std::convert::Infallible;

use axum::Json;
use axum::extract::State;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::StreamExt;
use futures_util::stream::{self, Stream};
use serde::Serialize;
use tokio::sync::broadcast::error::RecvError;

use super::AppState;

/// Everything the page shows, once.
pub(super) async fn state(State(state): State<AppState>) -> impl IntoResponse {
    let everything = state.everything(state.samples.kept());
    ([(CACHE_CONTROL, "no-store")], everything)
}

/// Everything the page shows, and then what changes, until the system ends.
pub(super) async fn stream(State(state): State<AppState>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    Sse::new(events(state)).keep_alive(KeepAlive::default())
}

fn events(mut state: AppState) -> impl Stream<Item = Result<Event, Infallible>> {
    state.snapshot.mark_unchanged();
    let (samples, news) = state.samples.subscribe();
    let Json(first) = state.everything(samples);
    stream::once(std::future::ready(Ok(event("state", &first)))).chain(stream::unfold((state, news), |(mut state, mut news)| async move {
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
        Some((Ok(next), (state, news)))
    }))
}

fn event(name: &str, data: &impl Serialize) -> Event {
    let data = serde_json::to_string(data).expect("the view has string keys and no failing serializer");
    Event::default().event(name).data(data)
}
