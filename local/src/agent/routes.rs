//! The routes, thin around the registry.

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{Method, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, put};
use axum::{Extension, Json, Router};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::time::Instant;
use user_info_bounded::Peer;
use user_info_consul::{CheckStatus, CheckUpdate, Registration};

use super::Agent;
use super::blocking::Wait;
use super::catalog::{Catalog, DATACENTER, NODE};
use super::rejection::Rejection;
use super::unsupported;

/// Bytes of a request's body.
const MAX_BODY: usize = 64 << 10;
/// The leader's address that a single agent tells.
const LEADER: &str = "127.0.0.1:8300";

type Parameters = Query<Vec<(String, String)>>;
/// Who asks; unknown where no listener is.
type Asker = Option<Extension<Peer>>;

/// The routes of `agent`.
pub(super) fn router(agent: Agent) -> Router {
    Router::new()
        .route("/v1/agent/service/register", put(register))
        .route("/v1/agent/service/deregister/{*id}", put(deregister))
        .route("/v1/agent/service/{*id}", get(agent_service))
        .route("/v1/agent/services", get(async |State(agent): State<Agent>| Json(agent.with(|catalog| catalog.agent_services()))))
        .route("/v1/agent/checks", get(async |State(agent): State<Agent>| Json(agent.with(|catalog| catalog.agent_checks()))))
        .route("/v1/agent/check/update/{*id}", put(update))
        .route("/v1/agent/check/pass/{*id}", beat(CheckStatus::Passing))
        .route("/v1/agent/check/fail/{*id}", beat(CheckStatus::Critical))
        .route("/v1/agent/self", get(async || Json(this_agent())))
        .route("/v1/health/service/{*name}", get(health))
        .route("/v1/catalog/services", get(names))
        .route("/v1/status/leader", get(async || Json(LEADER)))
        .fallback(unsupported::no_route)
        .method_not_allowed_fallback(async |method: Method| (StatusCode::METHOD_NOT_ALLOWED, format!("method {method} not allowed")))
        .layer(middleware::from_fn(unsupported::refuse))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(agent)
}

async fn register(State(agent): State<Agent>, Query(query): Parameters, body: Bytes) -> Result<(), Rejection> {
    let registration: Registration = decode(&body)?;
    let replace_checks = flag(&query, "replace-existing-checks")?;
    agent.with(|catalog| catalog.register(registration, replace_checks, Instant::now()))?;
    agent.0.timers.notify_one();
    Ok(())
}

async fn deregister(State(agent): State<Agent>, Path(id): Path<String>) -> Result<(), Rejection> {
    agent.with(|catalog| catalog.deregister(&id))
}

async fn update(State(agent): State<Agent>, Path(id): Path<String>, body: Bytes) -> Result<(), Rejection> {
    let update: CheckUpdate = decode(&body)?;
    let status =
        CheckStatus::parse(&update.status).ok_or_else(|| Rejection::invalid(format!("Invalid check status: '{}'", update.status)))?;
    heartbeat(&agent, &id, status, &update.output)
}

/// The route that sets a TTL check to `status`.
fn beat(status: CheckStatus) -> MethodRouter<Agent> {
    put(async move |State(agent): State<Agent>, Path(id): Path<String>, Query(query): Parameters| {
        heartbeat(&agent, &id, status, value(&query, "note").unwrap_or_default())
    })
}

fn heartbeat(agent: &Agent, check: &str, status: CheckStatus, output: &str) -> Result<(), Rejection> {
    agent.with(|catalog| catalog.heartbeat(check, status, output, Instant::now()))?;
    agent.0.timers.notify_one();
    Ok(())
}

async fn agent_service(State(agent): State<Agent>, Path(id): Path<String>) -> Response {
    match agent.with(|catalog| catalog.agent_service(&id)) {
        Some(service) => Json(service).into_response(),
        None => (StatusCode::NOT_FOUND, format!("unknown service ID: {id}")).into_response(),
    }
}

async fn health(
    State(agent): State<Agent>,
    Path(name): Path<String>,
    Query(query): Parameters,
    asker: Asker,
) -> Result<Response, Rejection> {
    let wait = Wait::parse(&query)?;
    own_datacenter(&query)?;
    let passing = flag(&query, "passing")?;
    let tags: Vec<&str> = query.iter().filter(|(key, _)| key == "tag").map(|(_, tag)| tag.as_str()).collect();
    let index = |catalog: &Catalog| catalog.name_index(&name);
    Ok(indexed(wait.answer(&agent, peer(&asker), index, |catalog| catalog.health(&name, passing, &tags)).await?))
}

async fn names(State(agent): State<Agent>, Query(query): Parameters, asker: Asker) -> Result<Response, Rejection> {
    let wait = Wait::parse(&query)?;
    own_datacenter(&query)?;
    Ok(indexed(wait.answer(&agent, peer(&asker), Catalog::names_index, Catalog::names).await?))
}

fn peer(asker: &Asker) -> Option<&Peer> {
    asker.as_ref().map(|Extension(peer)| peer)
}

/// An answer with the headers that Consul's clients read.
fn indexed((index, answer): (u64, Value)) -> Response {
    let headers = [("x-consul-index", index.to_string()), ("x-consul-knownleader", "true".into()), ("x-consul-lastcontact", "0".into())];
    (headers, Json(answer)).into_response()
}

/// What Prometheus and others read of the agent itself.
fn this_agent() -> Value {
    json!({
        "Config": {"Datacenter": DATACENTER, "PrimaryDatacenter": DATACENTER, "NodeName": NODE, "Server": true, "Version": "1.13.9"},
        "Member": {"Name": NODE, "Addr": "127.0.0.1"},
        "Meta": {},
    })
}

/// Refuses other datacenters than the agent's own.
fn own_datacenter(query: &[(String, String)]) -> Result<(), Rejection> {
    if value(query, "dc").is_some_and(|dc| !dc.is_empty() && dc != DATACENTER) {
        return Err(Rejection::Datacenter);
    }
    Ok(())
}

/// A flag that is set by being there, unless its value says no.
fn flag(query: &[(String, String)], name: &str) -> Result<bool, Rejection> {
    match value(query, name) {
        None | Some("0" | "f" | "F" | "false" | "FALSE" | "False") => Ok(false),
        Some("" | "1" | "t" | "T" | "true" | "TRUE" | "True") => Ok(true),
        Some(_) => Err(Rejection::invalid(format!("Invalid value for ?{name}"))),
    }
}

fn value<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Rejection> {
    serde_json::from_slice(body).map_err(|e| Rejection::invalid(format!("Request decode failed: {e}")))
}
