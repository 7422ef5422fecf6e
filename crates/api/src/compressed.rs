//! Pages, style and script in fewer bytes, for browsers that can read that.
//!
//! Only what is a page: a live stream must not wait for a block to fill, and nothing that holds a secret as it is may be
//! compressed together with what a stranger can choose (the secrets of forms are masked anew in every page).

use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderValue};
use actix_web::middleware::Next;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write as _;

/// Below this, the head of the answer is most of it.
const SMALL: usize = 1_024;

/// The middleware.
pub(crate) async fn compressed<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    let reads = reads_gzip(request.headers());
    let response = next.call(request).await?.map_into_boxed_body();
    if !is_page(response.headers()) {
        return Ok(response);
    }
    let (request, response) = response.into_parts();
    let (mut head, body) = response.into_parts();
    head.headers_mut()
        .append(header::VARY, HeaderValue::from_static("accept-encoding"));
    let plain = to_bytes(body).await.map_err(actix_web::Error::from)?;
    let packed = (reads && plain.len() >= SMALL).then(|| packed(&plain)).flatten();
    let body = match packed {
        Some(packed) => {
            head.headers_mut()
                .insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            BoxBody::new(packed)
        }
        None => BoxBody::new(plain),
    };
    Ok(ServiceResponse::new(request, head.set_body(body)))
}

fn packed(plain: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(5));
    let written = encoder.write_all(plain).and_then(|()| encoder.finish());
    // Memory takes whatever is written; without it the page goes as it is.
    written.ok()
}

/// What the server writes for browsers alone.
fn is_page(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let page = kind.is_some_and(|kind| {
        [&b"text/html"[..], b"text/css", b"text/javascript"]
            .iter()
            .any(|wanted| kind.starts_with(wanted))
    });
    page && !headers.contains_key(header::CONTENT_ENCODING)
}

/// Whether the sender says that it reads gzip, and does not say that it would rather not.
fn reads_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| {
            let (name, weight) = part.split_once(';').unwrap_or((part, ""));
            let refused = weight.trim().trim_start_matches("q=").parse() == Ok(0.0_f32);
            name.trim().eq_ignore_ascii_case("gzip") && !refused
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_reads_gzip_is_sent_gzip() {
        let says = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            reads_gzip(&headers)
        };
        assert!(says("gzip, deflate, br") && says("br;q=1.0, GZIP;q=0.5"));
        assert!(!says("br") && !says("gzip;q=0") && !says("") && !says("identity"));
        assert!(!reads_gzip(&HeaderMap::new()));
    }

    #[test]
    fn only_pages_are_packed() {
        let is = |kind: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            is_page(&headers)
        };
        assert!(is("text/html; charset=utf-8") && is("text/css; charset=utf-8"));
        assert!(!is("text/event-stream") && !is("application/json") && !is("text/csv; charset=utf-8"));
    }
}
