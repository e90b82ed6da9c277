//! /metrics, /healthz and /readyz.

use std::future::Future;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};
use prometheus::{Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio::sync::watch;
use user_info_bounded::Bounds;

/// What this process is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// It does not reach the API server, or that lacks the custom resource definition.
    Waiting,
    /// It waits for the lease: ready to take over.
    Standby,
    /// It looks after the resources.
    Leading,
    /// It ends.
    Stopping,
}

impl Phase {
    /// In words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Waiting => "waiting for the custom resource definition",
            Self::Standby => "standby",
            Self::Leading => "leading",
            Self::Stopping => "stopping",
        }
    }

    const fn ready(self) -> bool {
        matches!(self, Self::Standby | Self::Leading)
    }
}

#[derive(Clone)]
struct Shown {
    phase: watch::Receiver<Phase>,
    registry: Registry,
}

/// Serves until `stop`, and shows what `registry` holds. What those who ask may hold is bounded.
pub async fn serve(listener: TcpListener, phase: watch::Receiver<Phase>, registry: Registry, stop: impl Future<Output = ()>) {
    let routes = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(text))
        .with_state(Shown { phase, registry });
    user_info_bounded::serve(listener, routes, Bounds::default(), stop).await;
}

async fn ready(State(shown): State<Shown>) -> (StatusCode, String) {
    let phase = *shown.phase.borrow();
    let status = if phase.ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, format!("{}\n", phase.name()))
}

async fn text(State(shown): State<Shown>) -> Response {
    match TextEncoder::new().encode_to_string(&shown.registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

#[cfg(test)]
mod tests;
