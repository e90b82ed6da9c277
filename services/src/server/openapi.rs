//! The HTTP API in `OpenAPI` 3.1: what `/openapi.json` answers, and the reference is made from.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::routing::get;
use http::header;
use serde_json::{Value, json};
use user_info_layers::Error;
use user_info_layers::error::reason;

use crate::error::{self, ErrorBody};

/// Path of the document. It is served beside the API it describes, so whoever can call the one can read the other.
pub const PATH: &str = "/openapi.json";

/// The route of the document.
pub(super) fn route() -> Router {
    let body = Bytes::from(document().to_string());
    Router::new().route(PATH, get(async move || ([(header::CONTENT_TYPE, "application/json")], body)))
}

/// The document.
pub fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "user_info",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "Users and their page views. The paths under `admin` are on a listener of their own if `server.admin` is set.",
        },
        "paths": {
            "/user_info/{userID}": {"get": get_user_info()},
            PATH: {"get": {
                "operationId": "OpenApi", "tags": ["user_info"], "summary": "This document.",
                "responses": {"200": {"description": "OpenAPI 3.1.", "content": {"application/json": {}}}},
            }},
            "/metrics": {"get": admin("Metrics", "Metrics for Prometheus.", &json!({
                "200": {"description": "Prometheus' text format.", "content": {"text/plain": {}}},
            }))},
            "/healthz": {"get": admin("Health", "Whether the process lives.", &json!({
                "200": {"description": "It does.", "content": {"text/plain": {"example": "ok\n"}}},
            }))},
            "/readyz": {"get": admin("Ready", "Whether calls are wanted, and the state of each part.", &json!({
                "200": body("They are.", "Readiness"),
                "503": body("They are not: it starts, or is about to stop.", "Readiness"),
            }))},
            "/config": {"get": admin("Config", "The configuration in force. Secrets are named by their files.", &json!({
                "200": body("What is in force.", "Config"),
            }))},
        },
        "components": {"schemas": schemas()},
    })
}

fn get_user_info() -> Value {
    let refused = Error::new(400, reason::CODEC, r#"parsing field "userID": strconv.ParseInt: parsing "x": invalid syntax"#);
    let fault = Error::new(500, "random error", "random error");
    let moved = json!({
        "description": "The path has a slash too many, an empty segment, `.` or `..`: the clean path, with the same query, is in `Location`.",
        "headers": {"Location": {"required": true, "schema": {"type": "string", "format": "uri-reference"}}},
    });
    let too_large = json!({"description": "The head of the request is larger than 16 KiB, or has more than 100 fields. Without a body."});
    let mut responses = BTreeMap::from([
        ("200".to_owned(), body("The user.", "GetUserInfoReply")),
        ("301".to_owned(), moved),
        ("431".to_owned(), too_large),
    ]);
    for (description, error) in [
        ("`userID` is no 64-bit integer.", refused),
        ("No user has this id.", error::USER_NOT_FOUND),
        ("The rate limiter refused the call.", Error::RATELIMIT),
        ("A handler panicked, or what a store holds about the user cannot be read.", Error::UNKNOWN),
        ("A fault was injected; its status, reason and message are those of the settings.", fault),
        ("The store of the users does not answer.", error::STORE_UNAVAILABLE),
        ("More reads wait for the store than its queue holds.", error::STORE_OVERLOADED),
        ("More calls are in flight, or hold more, than `server.maxInFlight` and `server.maxBufferedBytes` allow.", Error::OVERLOADED),
        ("The call took longer than `server.timeout`.", Error::TIMEOUT),
    ] {
        let response = responses.entry(error.code.to_string()).or_insert_with(|| {
            let mut response = body("", "Error");
            response["content"]["application/json"]["examples"] = json!({});
            response
        });
        let before = response["description"].as_str().filter(|text| !text.is_empty()).map(|text| format!("{text} "));
        response["description"] = format!("{}{description}", before.unwrap_or_default()).into();
        response["content"]["application/json"]["examples"][&*error.reason] = json!({"value": ErrorBody::from(&error)});
    }
    json!({
        "operationId": "GetUserInfo",
        "tags": ["user_info"],
        "summary": "A user and how often the user's page was viewed.",
        "parameters": [{
            "name": "userID", "in": "path", "required": true, "description": "The user's id.",
            "schema": {"type": "integer", "format": "int64", "minimum": i64::MIN, "maximum": i64::MAX}, "example": 1,
        }],
        "responses": responses,
    })
}

fn admin(id: &str, summary: &str, responses: &Value) -> Value {
    json!({"operationId": id, "tags": ["admin"], "summary": summary, "responses": responses})
}

fn body(description: &str, schema: &str) -> Value {
    let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
    json!({"description": description, "content": {"application/json": {"schema": schema}}})
}

fn schemas() -> Value {
    let text = |description: &str| json!({"type": "string", "description": description});
    let flag = |description: &str| json!({"type": "boolean", "description": description});
    let number = |description: &str| json!({"type": "string", "format": "int64", "description": description});
    json!({
        "GetUserInfoReply": object(&json!({
            "user": {"description": "The user.", "oneOf": [{"$ref": "#/components/schemas/User"}, {"type": "null"}]},
            "ipAddr": text("gRPC address of the instance that answered."),
        })),
        "User": object(&json!({
            "userID": number("The user's id."),
            "name": text("The user's name."),
            "ip": text("Never filled."),
            "email": text("The user's e-mail address."),
            "visits": number("Page views; 0 also if they cannot be read."),
        })),
        "Error": object(&json!({
            "code": {"type": "integer", "minimum": 400, "maximum": 599, "description": "The HTTP status."},
            "reason": text("What happened, in one word."),
            "message": text("What a person reads."),
            "metadata": {"type": "object", "additionalProperties": {"type": "string"}, "description": "More about it."},
        })),
        "Readiness": object(&json!({
            "ready": flag("Whether calls are wanted."),
            "draining": flag("Whether the instance is about to stop."),
            "parts": {"type": "array", "description": "Its parts.", "items": object(&json!({
                "name": text("The part: registry, users, views or discovery."),
                "ok": flag("Whether it works."),
                "required": flag("Whether the instance is not ready as long as it does not."),
                "message": text("What is the matter."),
            }))},
        })),
        "Config": object(&json!({
            "generation": {"type": "integer", "format": "int64", "description": "Generation of the spec in force."},
            "config": {"type": "object", "description": "The values in force, as the config file has them."},
            "problem": {"type": ["string", "null"], "description": "Why the file, as it is now, could not be used."},
            "restartNeeded": flag("Whether the file differs in what takes a restart."),
        })),
    })
}

/// An object that always has all of these properties.
fn object(properties: &Value) -> Value {
    let required: Vec<_> = properties.as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect();
    json!({"type": "object", "properties": properties, "required": required})
}

#[cfg(test)]
mod tests {
    use serde::Serialize;
    use user_info_proto::{GetUserInfoReply, User};

    use super::*;
    use crate::process::readiness::{Part, Report};
    use crate::protojson::Reply;

    #[test]
    fn every_body_has_the_keys_of_its_schema() {
        fn compare(schema: &Value, body: impl Serialize, schemas: &Value) {
            let body = serde_json::to_value(body).expect("plain data");
            let properties = schema["properties"].as_object().expect("an object");
            let keys = |map: &serde_json::Map<String, Value>| map.keys().cloned().collect::<std::collections::BTreeSet<_>>();
            assert_eq!(keys(properties), keys(body.as_object().expect("an object")));
            if let Some(part) = body.get("parts") {
                compare(&properties["parts"]["items"], &part[0], schemas);
            }
            if let Some(user) = body.get("user") {
                compare(&schemas["User"], user, schemas);
            }
        }
        let schemas = schemas();
        let reply = GetUserInfoReply { user: Some(User::default()), ip_addr: String::new() };
        compare(&schemas["GetUserInfoReply"], Reply::from(&reply), &schemas);
        compare(&schemas["Error"], ErrorBody::from(&Error::RATELIMIT), &schemas);
        let parts = vec![Part { name: "users", ok: true, required: false, message: String::new() }];
        compare(&schemas["Readiness"], Report { ready: true, draining: false, parts }, &schemas);
        let config = crate::reload::InForce { generation: 1, config: (), problem: None, restart_needed: false };
        compare(&schemas["Config"], config, &schemas);
    }

    #[test]
    fn p11_user_ids_have_bounds_and_what_is_no_call_is_documented() {
        let operation = get_user_info();
        let schema = &operation["parameters"][0]["schema"];
        assert_eq!((schema["minimum"].as_i64(), schema["maximum"].as_i64()), (Some(i64::MIN), Some(i64::MAX)));
        assert!(operation["responses"]["301"]["headers"]["Location"].is_object());
        assert!(operation["responses"]["431"]["description"].as_str().is_some_and(|text| text.contains("100 fields")));
    }

    #[test]
    fn errors_of_one_status_share_a_response() {
        let responses = &get_user_info()["responses"];
        let examples = responses["503"]["content"]["application/json"]["examples"].as_object().expect("examples");
        assert_eq!(examples.keys().collect::<Vec<_>>(), ["OVERLOADED", "STORE_OVERLOADED", "STORE_UNAVAILABLE"]);
        assert_eq!(examples["STORE_OVERLOADED"]["value"]["code"], 503);
    }
}
