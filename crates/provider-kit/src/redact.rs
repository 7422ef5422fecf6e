//! Keeps secrets out of what vendors say back to us.

use secrecy::{ExposeSecret, SecretString};
use std::ops::Range;

/// Longest vendor text that is kept, in characters.
pub const VENDOR_TEXT: usize = 500;

/// Shorter secrets are not looked for, in bytes.
const LEAST: usize = 4;

/// Knows the secrets of a call and blanks them out of texts.
#[derive(Clone, Default)]
pub struct Redactor(Vec<SecretString>);

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redactor({} secrets)", self.0.len())
    }
}

impl Redactor {
    /// A redactor of these secrets.
    #[must_use]
    pub fn new(secrets: impl IntoIterator<Item = SecretString>) -> Self {
        let mut it = Self::default();
        for secret in secrets {
            it.add(secret);
        }
        it
    }

    /// One more secret. Those under four characters are not looked for: they would blank ordinary text.
    pub fn add(&mut self, secret: SecretString) {
        if secret.expose_secret().len() >= LEAST {
            self.0.push(secret);
        }
    }

    /// How long the longest secret is in the longest form in which it is looked for, in bytes.
    pub(crate) fn longest(&self, hidden: &[SecretString]) -> usize {
        let lengths = self.0.iter().chain(hidden).map(|it| it.expose_secret().len());
        lengths.max().unwrap_or(0).saturating_mul(6)
    }

    /// Where the secrets stand in a text, and those named besides, in any of the forms in which JSON, forms and
    /// addresses write them. The places may overlap.
    pub(crate) fn places(&self, text: &str, hidden: &[SecretString]) -> Vec<Range<usize>> {
        let mut places = Vec::new();
        let mut find = |form: &str| {
            places.extend(text.match_indices(form).map(|(at, found)| at..at + found.len()));
        };
        for secret in self.0.iter().chain(hidden) {
            let secret = secret.expose_secret();
            if secret.len() < LEAST {
                continue;
            }
            for line in secret.lines().map(str::trim).filter(|line| line.len() >= 12) {
                forms(line, &mut find);
            }
            forms(secret, &mut find);
        }
        places
    }

    /// The text without secrets (also where they are percent-encoded or span lines), control characters or excess
    /// length.
    #[must_use]
    pub fn clean(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.0 {
            let secret = secret.expose_secret();
            text = text.replace(secret, "[redacted]");
            for line in secret.lines().map(str::trim).filter(|line| line.len() >= 12) {
                text = text.replace(line, "[redacted]");
            }
            let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            text = text.replace(&encoded, "[redacted]");
        }
        let flat = text
            .split(|c: char| c.is_control() || c.is_whitespace())
            .filter(|word| !word.is_empty());
        let flat = flat.collect::<Vec<_>>().join(" ");
        cut(&flat, VENDOR_TEXT)
    }
}

/// The forms in which a secret may stand in a body or an address.
fn forms(secret: &str, find: &mut impl FnMut(&str)) {
    find(secret);
    let other = |form: &str, find: &mut dyn FnMut(&str)| {
        if form != secret {
            find(form);
        }
    };
    // Of a form or a query, with the digits in both cases, and with a space as `%20`.
    let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    if encoded != secret {
        find(&encoded);
        find(&encoded.replace('+', "%20"));
        let mut small = String::with_capacity(encoded.len());
        let mut digits = 0;
        for c in encoded.chars() {
            small.push(if digits > 0 { c.to_ascii_lowercase() } else { c });
            digits = if c == '%' { 2_u8 } else { digits.saturating_sub(1) };
        }
        find(&small);
    }
    // Of JSON, and as some libraries write it so that it can stand in a page.
    let quoted = serde_json::Value::from(secret).to_string();
    let quoted = quoted
        .strip_prefix('"')
        .and_then(|it| it.strip_suffix('"'))
        .unwrap_or(&quoted);
    other(quoted, find);
    other(&quoted.replace('/', "\\/"), find);
    let mut safe = quoted.to_owned();
    for (plain, escaped) in [
        ("&", "\\u0026"),
        ("=", "\\u003d"),
        ("+", "\\u002b"),
        ("<", "\\u003c"),
        (">", "\\u003e"),
        ("'", "\\u0027"),
    ] {
        safe = safe.replace(plain, escaped);
    }
    other(&safe, find);
    // JSON within JSON.
    let twice = serde_json::Value::from(quoted).to_string();
    other(twice.trim_matches('"'), find);
}

/// At most this many characters.
#[must_use]
pub fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_come_back_in_any_form() {
        let redactor = Redactor::new([
            "s3cr=t/word".into(),
            "-----BEGIN\nABCDEFGHIJKLMNOP\n".into(),
            "x".into(),
        ]);
        let text = redactor.clean("bad s3cr=t/word, s3cr%3Dt%2Fword and\n ABCDEFGHIJKLMNOP\u{7} x");
        assert_eq!(text, "bad [redacted], [redacted] and [redacted] x");
        assert_eq!(redactor.clean(&"é".repeat(900)).chars().count(), 500);
    }
}
