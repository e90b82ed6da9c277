//! What Consul has and this agent has not, refused in words: passed over, it would look like an answer.

use axum::extract::{Query, Request};
use axum::http::{HeaderMap, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::rejection::Rejection;

/// What follows `/v1/` in the endpoints of Consul.
const CONSULS: &str = "acl agent catalog config connect coordinate discovery-chain event exported-services health imported-services internal \
    kv namespace namespaces operator partition partitions peering peerings query session snapshot status txn";
/// Parameters with which another question is meant, and what to do instead.
const PARAMETERS: [(&str, &str); 5] = [
    ("filter", "use ?tag, or filter what it answers"),
    ("node-meta", "it has one node without metadata"),
    ("hash", "ask /v1/health/service/<name> with ?index to wait for a change"),
    ("peer", "it has no peers"),
    ("sg", "it has no sameness groups"),
];
/// Parameters and headers of what only Consul Enterprise has, and what that is called there.
const ENTERPRISE: [(&str, &str, &str); 2] = [("ns", "X-Consul-Namespace", "Namespaces"), ("partition", "X-Consul-Partition", "Partitions")];

/// Refuses a request that means something else than it would be answered with.
pub(super) async fn refuse(request: Request, next: Next) -> Response {
    match understood(request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(rejection) => rejection.into_response(),
    }
}

/// The answer for a path that is no route.
pub(super) async fn no_route(uri: Uri) -> Rejection {
    let first = uri.path().strip_prefix("/v1/").and_then(|path| path.split('/').next());
    match first.filter(|first| CONSULS.split(' ').any(|known| known == *first)) {
        Some(_) => Rejection::NotHere(uri.path().to_owned()),
        None => Rejection::NoSuchPath,
    }
}

fn understood(uri: &Uri, headers: &HeaderMap) -> Result<(), Rejection> {
    // Whoever reads a parameter says what is wrong with the query.
    let Ok(Query(query)) = Query::<Vec<(String, String)>>::try_from_uri(uri) else { return Ok(()) };
    let asked = |name: &str| query.iter().any(|(key, value)| key == name && !value.is_empty());
    for (parameter, header, what) in ENTERPRISE {
        if asked(parameter) {
            return Err(Rejection::invalid(format!("Invalid query parameter: {parameter:?} - {what} are a Consul Enterprise feature")));
        }
        if headers.get(header).is_some_and(|value| !value.is_empty()) {
            return Err(Rejection::invalid(format!("Invalid header: {header:?} - {what} are a Consul Enterprise feature")));
        }
    }
    match PARAMETERS.iter().find(|(name, _)| asked(name)) {
        Some((parameter, instead)) => Err(Rejection::Parameter { parameter, instead }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::{Method, Request};
    use tower::ServiceExt;

    use crate::agent::Agent;
    use crate::agent::routes::router;

    /// Status and body of the answer of an empty registry.
    async fn answer(method: Method, path: &str, header: Option<&str>) -> (u16, String) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(header) = header {
            request = request.header(header, "team");
        }
        let answer = router(Agent::default()).oneshot(request.body(Body::empty()).expect("a request")).await.expect("infallible");
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), 64 << 10).await.expect("whole");
        (status, String::from_utf8(body.to_vec()).expect("text"))
    }

    #[tokio::test]
    async fn p4_parameters_that_change_the_question_are_refused() {
        for path in ["/v1/agent/services", "/v1/agent/checks", "/v1/agent/self", "/v1/catalog/services", "/v1/health/service/a"] {
            for parameter in ["filter=Service==a", "node-meta=rack:1", "hash=1", "peer=other", "sg=group"] {
                let (status, text) = answer(Method::GET, &format!("{path}?passing&{parameter}"), None).await;
                let name = parameter.split('=').next().expect("a name");
                assert_eq!(status, 400, "{path} {parameter}: {text}");
                assert!(text.contains(&format!("?{name}")) && text.contains("user-info-local") && text.contains("real Consul"), "{text}");
            }
            for parameter in ["ns=team", "partition=team"] {
                let (status, text) = answer(Method::GET, &format!("{path}?{parameter}"), None).await;
                assert_eq!((status, text.ends_with("are a Consul Enterprise feature")), (400, true), "{path} {parameter}: {text}");
            }
            assert_eq!(answer(Method::GET, path, Some("x-consul-namespace")).await.0, 400, "{path}");
            for harmless in ["filter=", "ns=", "stale", "consistent", "cached", "pretty", "near=_agent", "dc=dc1", "token=t", "unheard=of"]
            {
                let (status, text) = answer(Method::GET, &format!("{path}?{harmless}"), None).await;
                assert_eq!(status, 200, "{path} {harmless}: {text}");
            }
        }
        let (status, _) = answer(Method::PUT, "/v1/agent/service/register?ns=team", None).await;
        assert_eq!(status, 400, "it would be registered elsewhere");
    }

    #[tokio::test]
    async fn p4_endpoints_of_consul_that_are_missing_are_not_taken_for_missing_data() {
        for path in [
            "/v1/kv/a/b",
            "/v1/agent/health/service/id/a",
            "/v1/agent/health/service/name/a",
            "/v1/agent/members",
            "/v1/catalog/service/a",
            "/v1/catalog/nodes",
            "/v1/health/state/any",
            "/v1/health/checks/a",
            "/v1/session/list",
            "/v1/txn",
            "/v1/status/peers",
        ] {
            for method in [Method::GET, Method::PUT] {
                let (status, text) = answer(method, path, None).await;
                assert!(status == 501 && text.contains(path) && text.contains("real Consul"), "{path}: {status} {text}");
            }
        }
        for path in ["/v1/elsewhere", "/v2/kv/a", "/ui/"] {
            assert_eq!(answer(Method::GET, path, None).await.0, 404, "as Consul answers what it does not have: {path}");
        }
    }
}
