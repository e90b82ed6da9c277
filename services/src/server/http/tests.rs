use axum::body::Body;
use http_body_util::BodyExt;
use tower::{Layer, ServiceExt};
use user_info_layers::middleware::receive::ReceiveLayer;
use user_info_proto::User;

use super::*;

mod fuzz;

async fn answer(method: &str, path: &str) -> (u16, String, String) {
    let stack = ReceiveLayer.layer(tower::service_fn(|call: Call<GetUserInfoRequest>| async move {
        assert_eq!((call.kind, call.operation), (Kind::Http, GET_USER_INFO));
        match call.message.user_id {
            7 => Err(Error::RATELIMIT),
            8 => Ok(GetUserInfoReply { user: None, ip_addr: "a:1".into() }),
            user_id => {
                let user =
                    User { user_id, name: "hutao".into(), email: "hutao@wangshengtang.com".into(), visits: 10086, ip: String::new() };
                Ok(GetUserInfoReply { user: Some(user), ip_addr: "0.0.0.0:9000".into() })
            }
        }
    }));
    let request = Request::builder().method(method).uri(path).body(Body::empty()).expect("valid");
    let response = router(stack, false, Capacity::unbounded(), Router::new()).oneshot(request).await.expect("infallible");
    let header = |name| response.headers().get(name).map(|v| v.to_str().expect("text").to_owned()).unwrap_or_default();
    let (status, about) = (response.status().as_u16(), header("content-type") + &header("location"));
    let body = response.into_body().collect().await.expect("whole").to_bytes();
    (status, about, String::from_utf8(body.to_vec()).expect("utf-8"))
}

#[tokio::test]
async fn the_reply_is_that_of_the_seed() {
    let expected =
        r#"{"user":{"userID":"1","name":"hutao","ip":"","email":"hutao@wangshengtang.com","visits":"10086"},"ipAddr":"0.0.0.0:9000"}"#;
    assert_eq!(answer("GET", "/user_info/1").await, (200, "application/json".into(), expected.into()));
    assert_eq!(answer("GET", "/user_info/%31").await.2, expected);
    assert_eq!(answer("GET", "/user_info/8").await.2, r#"{"user":null,"ipAddr":"a:1"}"#);
}

#[tokio::test]
async fn errors_have_all_four_keys() {
    let json = |code: u16, reason: &str, message: &str| {
        (code, "application/json".to_owned(), format!(r#"{{"code":{code},"reason":"{reason}","message":"{message}","metadata":{{}}}}"#))
    };
    let ratelimit = json(429, "RATELIMIT", "service unavailable due to rate limit exceeded");
    assert_eq!(answer("GET", "/user_info/7").await, ratelimit);
    let codec = |text: &str, cause: &str| {
        json(400, "CODEC", &format!(r#"parsing field \"userID\": strconv.ParseInt: parsing \"{text}\": {cause}"#))
    };
    assert_eq!(answer("GET", "/user_info/abc").await, codec("abc", "invalid syntax"));
    assert_eq!(answer("GET", "/user_info/9223372036854775808").await, codec("9223372036854775808", "value out of range"));
    assert_eq!(answer("GET", "/nowhere").await, json(404, "NOT_FOUND", "no such path"));
    assert_eq!(answer("POST", "/user_info/1").await, json(405, "METHOD_NOT_ALLOWED", "this path does not take this method"));
}

#[tokio::test]
async fn describes_itself() {
    let (status, kind, body) = answer("GET", openapi::PATH).await;
    assert_eq!((status, &*kind), (200, "application/json"));
    let document: serde_json::Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!(document["paths"]["/user_info/{userID}"]["get"]["operationId"], "GetUserInfo");
}

#[tokio::test]
async fn a_slash_too_many_is_redirected() {
    let (status, location, _) = answer("GET", "/user_info/1/").await;
    assert_eq!((status, &*location), (301, "/user_info/1"));
    // To where there is nothing, as Kratos does.
    let (status, location, _) = answer("GET", "/user_info//").await;
    assert_eq!((status, &*location), (301, "/user_info/"));
    assert_eq!(answer("GET", "/user_info/").await.0, 404);
}

/// What Kratos 2.5 answers, by the sources of its router.
#[tokio::test]
async fn s1_an_unclean_path_is_redirected_with_its_query() {
    for (asked, location) in [
        ("/user_info/1/?a=b", "/user_info/1?a=b"),
        ("/user_info/1/?", "/user_info/1?"),
        ("//user_info/1", "/user_info/1"),
        ("//user_info/1?a=b&a=//c/../d", "/user_info/1?a=b&a=//c/../d"),
        ("/user_info//1", "/user_info/1"),
        ("/user_info///1//", "/user_info/1/"),
        ("/x/../user_info/1", "/user_info/1"),
        ("/../../user_info/./1", "/user_info/1"),
        ("/user_info/.", "/user_info"),
        ("/user_info/..?x", "/?x"),
        ("//elsewhere.example/..", "/"),
        ("/user_info/%31/", "/user_info/%31"),
        ("//openapi.json", "/openapi.json"),
    ] {
        let (status, about, body) = answer("GET", asked).await;
        assert_eq!((status, &*about, &*body), (301, location, ""), "{asked}");
    }
    for (asked, status) in [("/", 404), ("/user_info", 404), ("/user_info/1/2/", 404), ("/user_info/%2E", 400), ("/user_info/1%2F", 400)] {
        assert_eq!(answer("GET", asked).await.0, status, "{asked}");
    }
}

#[tokio::test]
async fn without_room_calls_are_refused_and_so_are_answers_that_nobody_takes() {
    let capacity = Capacity::new(&user_info_api::config::Server { max_in_flight: Some(1), ..Default::default() });
    let stack = ReceiveLayer.layer(tower::service_fn(async |_: Call<GetUserInfoRequest>| Ok::<_, Error>(GetUserInfoReply::default())));
    let routes = bounded(router(stack, false, capacity.clone(), Router::new()), capacity);
    let ask = async |path: &str| {
        let request = Request::get(path).body(Body::empty()).expect("valid");
        routes.clone().oneshot(request).await.expect("infallible")
    };
    let (call, document) = (ask("/user_info/1").await, ask(openapi::PATH).await);
    assert_eq!((call.status().as_u16(), document.status().as_u16()), (200, 200));
    let refused = ask("/user_info/1").await;
    assert_eq!(refused.status(), 503);
    let body = refused.into_body().collect().await.expect("whole").to_bytes();
    assert!(body.windows(10).any(|word| word == b"OVERLOADED"), "{body:?}");
    assert_eq!(ask(openapi::PATH).await.status(), 503);
    drop((call, document));
    assert_eq!(ask("/user_info/1").await.status(), 200);
    assert_eq!(ask(openapi::PATH).await.status(), 200);
}
