//! Style and script, under names that change with their content, so that a browser may keep them for ever.

use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse};
use ring::digest::{SHA256, digest};
use std::sync::LazyLock;

const STYLE: &str = concat!(
    include_str!("../assets/tokens.css"),
    include_str!("../assets/base.css"),
    include_str!("../assets/parts.css"),
    include_str!("../assets/release.css"),
    include_str!("../assets/forms.css"),
);
const SCRIPT: &str = include_str!("../assets/delivr.js");

/// Something the pages refer to.
struct Asset {
    path: String,
    kind: &'static str,
    text: &'static str,
}

static ASSETS: LazyLock<[Asset; 2]> = LazyLock::new(|| {
    [
        asset("css", "text/css; charset=utf-8", STYLE),
        asset("js", "text/javascript; charset=utf-8", SCRIPT),
    ]
});

fn asset(suffix: &str, kind: &'static str, text: &'static str) -> Asset {
    let mark = delivr_app::usecases::access::hex(digest(&SHA256, text.as_bytes()).as_ref());
    let mark = mark.get(..16).unwrap_or(&mark);
    Asset {
        path: format!("/assets/delivr-{mark}.{suffix}"),
        kind,
        text,
    }
}

/// Path of the style.
pub(crate) fn style() -> &'static str {
    let [style, _] = &*ASSETS;
    &style.path
}

/// Path of the script.
pub(crate) fn script() -> &'static str {
    let [_, script] = &*ASSETS;
    &script.path
}

/// An asset. Another version's name is answered with 404: a page and its style belong together.
pub(crate) async fn serve(request: HttpRequest) -> HttpResponse {
    let Some(found) = ASSETS.iter().find(|it| it.path == request.path()) else {
        return HttpResponse::NotFound()
            .content_type("text/html; charset=utf-8")
            .body("<!doctype html><title>Not here</title><p>This file belongs to another version.");
    };
    HttpResponse::Ok()
        .content_type(found.kind)
        .insert_header((
            header::CACHE_CONTROL,
            HeaderValue::from_static("public, max-age=31536000, immutable"),
        ))
        .insert_header((
            HeaderName::from_static("cross-origin-resource-policy"),
            HeaderValue::from_static("same-origin"),
        ))
        .body(found.text)
}
