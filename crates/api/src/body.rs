//! Request bodies: JSON of at most 1 MiB, read strictly, with a pointer to what is wrong.

use crate::context::caller;
use crate::problem::{FieldError, Problem};
use actix_web::dev::Payload;
use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpRequest};
use bytes::Bytes;
use futures_util::future::{FutureExt as _, LocalBoxFuture};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Deserializer};
use serde_json::Value;
use serde_path_to_error::{Path, Segment};
use std::fmt::Write as _;

/// Largest JSON body in bytes.
pub const LIMIT: usize = 1024 * 1024;

/// A JSON body.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

/// A JSON body that may be left out.
#[derive(Debug)]
pub(crate) struct Maybe<T>(pub(crate) T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let kind = kind(request);
        let bytes = raw(request, payload);
        let request = request.clone();
        async move {
            // Who may not ask learns nothing about what is wrong with the question.
            caller(&request).await?;
            let bytes = bytes.await?;
            accept(kind)?;
            parse_object(&bytes).map(Self)
        }
        .boxed_local()
    }
}

impl<T: DeserializeOwned + Default + 'static> FromRequest for Maybe<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let kind = kind(request);
        let bytes = raw(request, payload);
        let request = request.clone();
        async move {
            // Who may not ask learns nothing about what is wrong with the question.
            caller(&request).await?;
            let bytes = bytes.await?;
            if bytes.is_empty() {
                return Ok(Self(T::default()));
            }
            accept(kind)?;
            parse_object(&bytes).map(Self)
        }
        .boxed_local()
    }
}

/// The exact bytes of a body, whoever sends it: their sender proves itself by them.
#[derive(Debug)]
pub(crate) struct Raw(pub(crate) Bytes);

impl FromRequest for Raw {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let bytes = raw(request, payload);
        async move { bytes.await.map(Self) }.boxed_local()
    }
}

/// The raw body, within the limit.
pub(crate) fn raw(
    request: &HttpRequest,
    payload: &mut Payload,
) -> impl Future<Output = Result<Bytes, Problem>> + use<> {
    let bytes = Bytes::from_request(request, payload);
    async move { bytes.await.map_err(|error| unreadable(&error)) }
}

/// What a body that cannot be read is refused with.
fn unreadable(error: &actix_web::Error) -> Problem {
    if error.as_response_error().status_code() == StatusCode::PAYLOAD_TOO_LARGE {
        too_large()
    } else {
        Problem::malformed_at("", "the body could not be read to its end")
    }
}

/// 413.
pub(crate) fn too_large() -> Problem {
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "body_too_large",
        "the body is larger than 1 MiB",
    )
}

#[derive(Clone, Copy)]
enum Kind {
    Json,
    Other,
}

fn kind(request: &HttpRequest) -> Kind {
    let whole = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let mut parts = whole.split(';').map(str::trim);
    let name = parts.next().unwrap_or_default();
    // JSON is UTF-8; whoever says otherwise would be misread.
    let other = parts.any(|part| {
        part.strip_prefix("charset=")
            .is_some_and(|set| !matches!(set.trim_matches('"'), "utf-8" | "utf8"))
    });
    if other {
        Kind::Other
    } else if name == "application/json" || (name.starts_with("application/") && name.ends_with("+json")) {
        Kind::Json
    } else {
        Kind::Other
    }
}

fn accept(kind: Kind) -> Result<(), Problem> {
    match kind {
        Kind::Json => Ok(()),
        Kind::Other => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "unsupported_media_type",
            "send the body as `Content-Type: application/json`, in UTF-8",
        )),
    }
}

/// Reads a body that must be an object: for the reader a list of its fields' values would do as well.
fn parse_object<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        Some(b'{') => parse(bytes),
        Some(_) | None => Err(Problem::malformed_at("", "the body must be a JSON object")),
    }
}

/// Reads a body.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    if holds_nul(bytes) {
        return Err(Problem::malformed_at(
            "",
            "no text may contain the character U+0000",
        ));
    }
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader)
        .map_err(|error| wrong(pointer_of(String::new(), error.path()), error.inner()))?;
    reader.end().map_err(|error| wrong(String::new(), &error))?;
    Ok(value)
}

/// Reads a value that was taken from a body at the pointer.
pub(crate) fn parse_value<T: DeserializeOwned>(pointer: &str, value: &Value) -> Result<T, Problem> {
    serde_path_to_error::deserialize(value)
        .map_err(|error| wrong(pointer_of(pointer.to_owned(), error.path()), error.inner()))
}

/// The pointer to the place of a mistake below another one.
pub(crate) fn pointer_of(mut pointer: String, path: &Path) -> String {
    for segment in path {
        match segment {
            Segment::Seq { index } => push(&mut pointer, &index.to_string()),
            Segment::Map { key } => push(&mut pointer, key),
            Segment::Enum { variant } => push(&mut pointer, variant),
            Segment::Unknown => {}
        }
    }
    pointer
}

fn push(pointer: &mut String, key: &str) {
    let _infallible = write!(pointer, "/{}", key.replace('~', "~0").replace('/', "~1"));
}

/// The pointer with the field that the complaint names, if it does not end with it.
pub(crate) fn at_field(mut pointer: String, said: &str) -> String {
    for lead in ["missing field `", "unknown field `", "duplicate field `"] {
        if let Some(field) = said.strip_prefix(lead).and_then(|rest| rest.split('`').next())
            && !pointer.ends_with(&format!("/{field}"))
        {
            push(&mut pointer, field);
        }
    }
    pointer
}

fn wrong(pointer: String, error: &serde_json::Error) -> Problem {
    let said = without_value(&error.to_string());
    let pointer = at_field(pointer, &said);
    // The position in the text says nothing that the pointer does not.
    let detail = match said.rfind(" at line ") {
        Some(end) if !error.is_syntax() && !error.is_eof() => said.get(..end).unwrap_or(&said).to_owned(),
        Some(_) | None => said,
    };
    Problem::malformed(vec![FieldError::new(
        pointer,
        detail.chars().take(500).collect::<String>(),
    )])
}

/// The complaint without the text that was sent: it may be a secret in the wrong place.
fn without_value(said: &str) -> String {
    let shortened = said.split_once("string \"").and_then(|(before, rest)| {
        let (_value, after) = rest.rsplit_once("\", expected")?;
        Some(format!("{before}string, expected{after}"))
    });
    shortened.unwrap_or_else(|| said.to_owned())
}

/// PostgreSQL keeps no U+0000 in texts; a body with one is refused everywhere.
fn holds_nul(bytes: &[u8]) -> bool {
    const ESCAPED: &[u8] = b"\\u0000";
    let suspicious = bytes.contains(&0) || bytes.windows(ESCAPED.len()).any(|window| window == ESCAPED);
    suspicious
        && serde_json::from_slice::<Value>(bytes)
            .ok()
            .is_some_and(|value| value_holds_nul(&value))
}

fn value_holds_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(value_holds_nul),
        Value::Object(map) => map
            .iter()
            .any(|(key, value)| key.contains('\0') || value_holds_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// For fields where `null` (clear it) and absence (leave it) differ.
pub(crate) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::<T>::deserialize(from).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "camelCase")]
    #[expect(dead_code, reason = "only its shape matters")]
    struct Form {
        name: String,
        #[serde(default)]
        secrets: BTreeMap<String, String>,
    }

    fn pointer(text: &str) -> (String, String) {
        let document = parse_object::<Form>(text.as_bytes()).unwrap_err().document(None);
        let document = serde_json::to_value(document).unwrap();
        let error = &document["errors"][0];
        (
            error["pointer"].as_str().unwrap().to_owned(),
            error["detail"].to_string(),
        )
    }

    #[test]
    fn mistakes_are_pointed_at() {
        for (text, at) in [
            (r"{}", "/name"),
            (r#"{"name": 7}"#, "/name"),
            (r#"{"name": "x", "colour": 1}"#, "/colour"),
            (r#"{"name": "x", "secrets": {"a/b": 1}}"#, "/secrets/a~1b"),
            (r#"{"name": "x""#, ""),
            (r#"{"name": "x\u0000"}"#, ""),
        ] {
            assert_eq!(pointer(text).0, at, "{text}");
        }
    }

    #[test]
    fn what_was_sent_is_not_repeated() {
        let (at, detail) = pointer(r#"{"name": "x", "secrets": "s3cret\", expected"}"#);
        assert_eq!(at, "/secrets");
        assert!(!detail.contains("s3cret"), "{detail}");
    }
}
