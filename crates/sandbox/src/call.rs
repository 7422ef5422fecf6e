//! One request to a vendor, reduced to what the simulators look at.

use std::borrow::Cow;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A request to a vendor; the vendor's prefix is already taken off the path.
#[derive(Debug, Clone)]
pub struct Call {
    /// Upper-case method.
    pub method: String,
    /// Raw path below the vendor's prefix, starting with `/`.
    pub path: String,
    /// Decoded path segments below the prefix; empty ones are left out.
    pub segments: Vec<String>,
    /// Decoded query pairs in order.
    pub query: Vec<(String, String)>,
    /// Undecoded query text.
    pub raw_query: String,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// Raw body.
    pub body: Bytes,
    /// `http://host:port/prefix` as the caller addressed it: links in answers start with it.
    pub base: String,
}

impl Call {
    /// Value of a header, looked up by its lower-case name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// First value of a query parameter.
    #[must_use]
    pub fn query(&self, name: &str) -> Option<&str> {
        self.query
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// Segments as string slices, for matching: `(call.method.as_str(), call.parts().as_slice())`.
    #[must_use]
    pub fn parts(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// Pairs of a form-encoded body.
    #[must_use]
    pub fn form(&self) -> Vec<(String, String)> {
        pairs(&self.body)
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// The parser's words when the body is not JSON.
    pub fn json(&self) -> Result<Value, String> {
        serde_json::from_slice(&self.body).map_err(|error| error.to_string())
    }

    /// The body as a typed document; give the type `deny_unknown_fields` to refuse misspelt fields.
    ///
    /// # Errors
    /// The parser's words when the body does not fit.
    pub fn document<T: DeserializeOwned>(&self) -> Result<T, String> {
        serde_json::from_slice(&self.body).map_err(|error| error.to_string())
    }

    /// The token of an `Authorization: Bearer` header.
    #[must_use]
    pub fn bearer(&self) -> Option<&str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    }

    /// User and password of an `Authorization: Basic` header.
    #[must_use]
    pub fn basic(&self) -> Option<(String, String)> {
        use base64::Engine as _;
        let (scheme, text) = self.header("authorization")?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let raw = base64::engine::general_purpose::STANDARD
            .decode(text.trim())
            .ok()?;
        let text = String::from_utf8(raw).ok()?;
        let (user, password) = text.split_once(':')?;
        Some((user.to_owned(), password.to_owned()))
    }
}

/// Decodes form-encoded pairs.
pub(crate) fn pairs(raw: &[u8]) -> Vec<(String, String)> {
    url::form_urlencoded::parse(raw)
        .map(|(key, value)| (own(key), own(value)))
        .collect()
}

fn own(text: Cow<'_, str>) -> String {
    text.into_owned()
}

/// Undoes percent encoding of one path segment, in which `+`, `&` and `=` mean themselves.
pub(crate) fn decode_segment(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment)
        .decode_utf8_lossy()
        .into_owned()
}
