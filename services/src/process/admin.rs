//! The admin endpoints: /metrics, /healthz, /readyz, /config.

use std::fmt;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use http::{StatusCode, header};
use prometheus::{Registry, TextEncoder};
use user_info_api::config::Config;
use user_info_layers::Error;
use user_info_layers::error::reason;

use super::readiness::Readiness;
use crate::error::HttpError;
use crate::reload::Live;

/// What the admin endpoints show.
#[derive(Clone)]
pub struct Admin {
    registry: Registry,
    readiness: Readiness,
    config: Arc<dyn Fn() -> serde_json::Value + Send + Sync>,
}

impl fmt::Debug for Admin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admin").field("readiness", &self.readiness).finish_non_exhaustive()
    }
}

impl Admin {
    /// Shows the metrics of `registry`, what `readiness` says, and the configuration in force.
    pub fn new<C: Config>(registry: Registry, readiness: Readiness, live: Arc<Live<C>>) -> Self {
        let config = move || serde_json::to_value(&*live.get()).unwrap_or_default();
        Self { registry, readiness, config: Arc::new(config) }
    }

    /// The routes, to be served beside others or [alone](json_errors).
    pub fn router(self) -> Router {
        Router::new()
            .route("/metrics", get(metrics))
            .route("/healthz", get(async || "ok\n"))
            .route("/readyz", get(ready))
            .route("/config", get(config))
            .with_state(self)
    }
}

/// Answers unknown paths and wrong methods as JSON.
pub fn json_errors(routes: Router) -> Router {
    routes.fallback(async || not_found()).method_not_allowed_fallback(method_not_allowed)
}

async fn metrics(State(admin): State<Admin>) -> Response {
    match TextEncoder::new().encode_to_string(&admin.registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => HttpError(Error::new(500, "METRICS", "").with_message(error.to_string())).into_response(),
    }
}

async fn ready(State(admin): State<Admin>) -> Response {
    let report = admin.readiness.report();
    let status = if report.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report)).into_response()
}

async fn config(State(admin): State<Admin>) -> Response {
    Json((admin.config)()).into_response()
}

/// 404 as JSON, where Kratos answers plain text.
pub(crate) fn not_found() -> HttpError {
    HttpError(Error::new(404, reason::NOT_FOUND, "no such path"))
}

/// 405 as JSON, where Kratos answers 404.
pub(crate) async fn method_not_allowed() -> HttpError {
    HttpError(Error::new(405, reason::METHOD_NOT_ALLOWED, "this path does not take this method"))
}
