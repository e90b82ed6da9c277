//! `http-api.md`: the HTTP API of `user_info`, from its `OpenAPI` document.

use serde_json::Value;

use crate::markdown::{code, head, table};
use crate::schema::fields;

const ABOUT: &str = "\
What `user_info` answers over HTTP. It serves this description itself, on the listener of the API, as
`/openapi.json`; the same file is [openapi.json](openapi.json) here. Errors are JSON with the four keys of Kratos; an
unknown path is 404 `NOT_FOUND`, another method than GET or HEAD 405 `METHOD_NOT_ALLOWED`. The gRPC API has the same
errors as a status with `google.rpc.ErrorInfo`: see [kratos.md](../kratos.md).";

/// The page.
pub(crate) fn page(openapi: &Value) -> String {
    let mut text = head("HTTP API", ABOUT);
    for (path, methods) in openapi["paths"].as_object().into_iter().flatten() {
        for (method, operation) in methods.as_object().into_iter().flatten() {
            let summary = operation["summary"].as_str().unwrap_or_default();
            text += &format!("\n## {} {path}\n\n{summary}\n", method.to_uppercase());
            text += &responses(operation);
        }
    }
    text += "\n## Bodies\n";
    for (name, schema) in openapi["components"]["schemas"].as_object().into_iter().flatten() {
        let rows = fields(openapi, schema, "").into_iter().map(|field| [code(&field.path), field.kind, field.about]);
        text += &format!("\n### {name}\n{}", table(["field", "type", "meaning"], rows));
    }
    text
}

fn responses(operation: &Value) -> String {
    let rows = operation["responses"].as_object().into_iter().flatten().map(|(status, response)| {
        let content = response["content"].as_object().into_iter().flatten().next();
        let body = content.map_or_else(String::new, |(kind, body)| match body["schema"]["$ref"].as_str() {
            Some(schema) => code(schema.rsplit('/').next().unwrap_or_default()),
            None => kind.clone(),
        });
        let examples = content.and_then(|(_, body)| body["examples"].as_object());
        let reasons: Vec<_> = examples.into_iter().flatten().map(|(reason, _)| code(reason)).collect();
        [status.clone(), body, reasons.join(", "), response["description"].as_str().unwrap_or_default().to_owned()]
    });
    table(["status", "body", "reasons", "when"], rows)
}

#[cfg(test)]
mod tests {
    #[test]
    fn has_every_answer_of_the_service() {
        let page = super::page(&user_info_services::server::openapi::document());
        for line in ["## GET /user_info/{userID}", "| 429 | `Error` | `RATELIMIT` |", "## GET /readyz", "| `userID` | string |"] {
            assert!(page.contains(line), "{line}\n{page}");
        }
    }
}
