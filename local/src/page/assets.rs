//! The page's own files, and the chart library, all compiled in.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::sync::LazyLock;

use axum::Router;
use axum::body::Bytes;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::AppState;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! files {
    ($($path:literal => $file:literal, $kind:expr;)*) => {
        [$(($path, $kind, include_str!(concat!("assets/", $file)))),*]
    };
}

static FILES: &[(&str, &str, &str)] = &files! {
    "/" => "index.html", HTML;
    "/assets/style.css" => "style.css", CSS;
    "/assets/controls.css" => "controls.css", CSS;
    "/assets/icon.svg" => "icon.svg", SVG;
    "/assets/app.js" => "app.js", JS;
    "/assets/charts.js" => "charts.js", JS;
    "/assets/controls.js" => "controls.js", JS;
    "/assets/dom.js" => "dom.js", JS;
    "/assets/edit.js" => "edit.js", JS;
    "/assets/feed.js" => "feed.js", JS;
    "/assets/format.js" => "format.js", JS;
    "/assets/header.js" => "header.js", JS;
    "/assets/presets.js" => "presets.js", JS;
    "/assets/processes.js" => "processes.js", JS;
    "/assets/series.js" => "series.js", JS;
    "/assets/summary.js" => "summary.js", JS;
    "/assets/spec.js" => "spec.js", JS;
    "/assets/theme.js" => "theme.js", JS;
    "/assets/tiles.js" => "tiles.js", JS;
};

/// plotly.js alone, out of the script elements that the crate makes.
static PLOTLY: LazyLock<Content> = LazyLock::new(|| {
    let scripts = plotly::Plot::offline_js_sources();
    let after_tag = scripts.split_once('>').map_or("", |(_, rest)| rest);
    let script = after_tag.split_once("</script>").map_or("", |(script, _)| script);
    Content::new(JS, Bytes::copy_from_slice(script.as_bytes()))
});

/// A route for each file.
pub(super) fn routes() -> Router<AppState> {
    let own = FILES.iter().fold(Router::new(), |router, &(path, kind, text)| {
        let content = Content::new(kind, Bytes::from_static(text.as_bytes()));
        router.route(path, get(async move |headers: HeaderMap| content.answer(&headers)))
    });
    own.route("/plotly.js", get(async |headers: HeaderMap| PLOTLY.answer(&headers)))
}

/// What a path answers. Browsers keep it and ask whether it is still the same, since another build may serve other files at the address.
#[derive(Clone)]
struct Content {
    kind: &'static str,
    bytes: Bytes,
    tag: String,
}

impl Content {
    fn new(kind: &'static str, bytes: Bytes) -> Self {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        Self { kind, bytes, tag: format!("\"{:016x}\"", hasher.finish()) }
    }

    fn answer(&self, headers: &HeaderMap) -> Response {
        let caching = [(ETAG, self.tag.clone()), (CACHE_CONTROL, "no-cache".to_owned())];
        if headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == self.tag.as_bytes()) {
            return (StatusCode::NOT_MODIFIED, caching).into_response();
        }
        (caching, [(CONTENT_TYPE, self.kind)], self.bytes.clone()).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plotly_is_the_library_and_nothing_else() {
        let script = std::str::from_utf8(&PLOTLY.bytes).unwrap();
        assert!(script.trim_start().starts_with("/**\n* plotly.js v"), "{}", &script[..80]);
        assert!(script.len() > 1_000_000 && !script.contains("<script"), "{} bytes", script.len());
    }

    #[test]
    fn the_page_names_only_files_that_are_served() {
        let (_, _, html) = FILES.iter().find(|(path, ..)| *path == "/").unwrap();
        for attribute in ["src=\"", "href=\"/assets"] {
            for named in html.split(attribute).skip(1) {
                let path = named.split('"').next().unwrap();
                let path = if attribute.starts_with("href") { format!("/assets{path}") } else { path.to_owned() };
                assert!(path == "/plotly.js" || FILES.iter().any(|(known, ..)| *known == path), "{path}");
            }
        }
    }
}
