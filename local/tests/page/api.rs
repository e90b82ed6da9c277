//! The page's API: what it tells, and whom it refuses.

use http::{Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use user_info_local::view::Snapshot;
use user_info_testing::http::Http;
use user_info_testing::wait::eventually;

use crate::serve::{self, Page};

/// Sends a request with these headers and a body.
pub(crate) async fn send(method: &str, url: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Response<hyper::body::Incoming> {
    Http::default().send(method, url, headers, body.map_or_else(String::new, Value::to_string)).await.unwrap()
}

/// The body of a reply as JSON.
pub(crate) async fn json(reply: Response<hyper::body::Incoming>) -> Value {
    serde_json::from_slice(&reply.into_body().collect().await.unwrap().to_bytes()).unwrap()
}

async fn refused(page: &Page, method: &str, path: &str, headers: &[(&str, &str)]) -> (StatusCode, String) {
    let reply = send(method, &format!("{}{path}", page.url()), headers, Some(&json!({"replicas": 5}))).await;
    let status = reply.status();
    let error = json(reply).await;
    assert_eq!(error["code"], status.as_u16());
    (status, error["reason"].as_str().unwrap().to_owned())
}

const JSON: (&str, &str) = ("content-type", "application/json");

#[tokio::test]
async fn refuses_other_sites() {
    let page = Page::start().await;
    let token = page.token.as_str().to_owned();
    let known = ("x-user-info-token", token.as_str());
    for path in ["/", "/api/state", "/api/events", "/plotly.js"] {
        assert_eq!(refused(&page, "GET", path, &[("host", "rebound.example")]).await, (StatusCode::FORBIDDEN, "FOREIGN_HOST".to_owned()));
        assert_eq!(refused(&page, "GET", path, &[("origin", "http://other.example")]).await.1, "FOREIGN_ORIGIN");
    }
    assert_eq!(refused(&page, "POST", "/api/spec", &[JSON, known, ("origin", "http://localhost:1")]).await.1, "FOREIGN_ORIGIN");
    assert_eq!(refused(&page, "POST", "/api/spec", &[JSON]).await, (StatusCode::FORBIDDEN, "TOKEN".to_owned()));
    assert_eq!(refused(&page, "POST", "/api/spec", &[JSON, ("x-user-info-token", "guess")]).await.1, "TOKEN");
    assert_eq!(refused(&page, "POST", "/api/spec", &[known]).await.1, "CODEC");
    assert_eq!(refused(&page, "GET", "/api/spec", &[]).await, (StatusCode::METHOD_NOT_ALLOWED, "METHOD_NOT_ALLOWED".to_owned()));
    assert_eq!(refused(&page, "GET", "/elsewhere", &[]).await, (StatusCode::NOT_FOUND, "NOT_FOUND".to_owned()));
}

#[tokio::test]
async fn confines_itself() {
    let page = Page::start().await;
    let reply = send("GET", &page.url(), &[], None).await;
    let policy = reply.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{policy}");
    assert_eq!(reply.headers()["x-content-type-options"], "nosniff");
    let tag = reply.headers()["etag"].to_str().unwrap().to_owned();
    let html = String::from_utf8(reply.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap();
    assert!(!html.contains("http://") && !html.contains("https://"), "the page must work offline");
    assert_eq!(send("GET", &page.url(), &[("if-none-match", &tag)], None).await.status(), StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn tells_state_and_spec() {
    let page = Page::start().await;
    let state = json(send("GET", &format!("{}/api/state", page.url()), &[], None).await).await;
    assert_eq!(state["token"], page.token.as_str());
    assert_eq!(state["snapshot"]["processes"][3]["state"], "restarting");
    assert_eq!(state["snapshot"]["differsFromFile"], false);
    assert_eq!(state["samples"].as_array().unwrap().len(), 120);
    assert_eq!(state["samples"][119]["client"]["breaker"]["state"], "Open");
    let yaml = send("GET", &format!("{}/api/spec.yaml", page.url()), &[], None).await;
    assert_eq!(yaml.into_body().collect().await.unwrap().to_bytes(), "kind: UserInfoDeployment\n");
}

#[tokio::test]
async fn streams_what_changes_and_ends_with_the_supervisor() {
    let page = Page::start().await;
    let mut body = send("GET", &format!("{}/api/events", page.url()), &[], None).await.into_body();
    let mut text = String::new();
    let mut until = async |wanted: &str| {
        while !text.contains(wanted) {
            let frame = body.frame().await.unwrap_or_else(|| panic!("the stream ended before {wanted:?}")).unwrap();
            text.push_str(&String::from_utf8_lossy(frame.data_ref().unwrap()));
        }
    };
    until("event: state").await;
    page.samples.push(serve::sample(120));
    until("event: sample\ndata: {\"t\":1800000120.0").await;
    page.snapshot.send_replace(Arc::new(Snapshot { generation: 8, ..serve::snapshot() }));
    until("event: snapshot\ndata: {\"generation\":8").await;
    let (gone, _) = tokio::sync::watch::channel(Arc::default());
    let mut page = page;
    drop(std::mem::replace(&mut page.snapshot, gone));
    while body.frame().await.is_some() {}
}

#[tokio::test]
async fn hands_edits_over_and_tells_what_came_of_them() {
    let mut page = Page::start().await;
    let (url, token) = (format!("{}/api/spec", page.url()), page.token.as_str().to_owned());
    for (answer, status, body) in [
        (Ok(8), 200, json!({"generation": 8})),
        (
            Err(vec!["spec.replicas: 5000 is out of range; allowed is 0 to 1000".to_owned()]),
            400,
            json!({
                "code": 400, "reason": "INVALID_SPEC", "metadata": {},
                "message": "the spec stays as it is: spec.replicas: 5000 is out of range; allowed is 0 to 1000",
                "violations": ["spec.replicas: 5000 is out of range; allowed is 0 to 1000"],
            }),
        ),
    ] {
        let (url, token) = (url.clone(), token.clone());
        let request = tokio::spawn(async move {
            let reply = send("POST", &url, &[JSON, ("x-user-info-token", &token)], Some(&json!({"replicas": 5000}))).await;
            (reply.status().as_u16(), json(reply).await)
        });
        let edit = page.edits.recv().await.unwrap();
        assert_eq!(edit.patch, json!({"replicas": 5000}));
        edit.reply.send(answer).unwrap();
        assert_eq!(request.await.unwrap(), (status, body));
    }
}

#[tokio::test]
async fn p1_open_tabs_are_bounded_and_the_page_answers_others() {
    let page = Page::start().await;
    let url = format!("{}/api/events", page.url());
    let mut tabs = Vec::new();
    for _ in 0..64 {
        let tab = send("GET", &url, &[], None).await;
        assert_eq!(tab.status(), StatusCode::OK);
        tabs.push(tab);
    }
    let refused = send("GET", &url, &[], None).await;
    assert_eq!((refused.status(), &json(refused).await["reason"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("OVERLOADED")));
    assert_eq!(send("GET", &format!("{}/api/state", page.url()), &[], None).await.status(), StatusCode::OK);
    tabs.clear();
    page.samples.push(serve::sample(120));
    eventually("a closed tab makes room", async || send("GET", &url, &[], None).await.status() == StatusCode::OK).await;
}

#[tokio::test]
async fn p5_a_browser_that_closes_its_side_is_answered_and_a_patch_is_bounded() {
    let page = Page::start().await;
    let mut caller = TcpStream::connect(("127.0.0.1", page.port)).await.unwrap();
    caller.write_all(format!("GET /api/state HTTP/1.1\r\nhost: 127.0.0.1:{}\r\n\r\n", page.port).as_bytes()).await.unwrap();
    caller.shutdown().await.unwrap();
    let mut answer = String::new();
    caller.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("\"samples\""));
    let large = json!({"description": "a".repeat(300 << 10)});
    let headers = [JSON, ("x-user-info-token", page.token.as_str())];
    let reply = send("POST", &format!("{}/api/spec", page.url()), &headers, Some(&large)).await;
    assert_eq!(reply.status(), StatusCode::BAD_REQUEST);
    assert!(json(reply).await["message"].as_str().unwrap().contains("length limit exceeded"));
}
