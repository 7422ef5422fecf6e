//! Keeps secrets out of what vendors say back to us.

use secrecy::{ExposeSecret, SecretString};

/// Longest vendor text that is kept, in characters.
pub const VENDOR_TEXT: usize = 500;

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
        if secret.expose_secret().len() >= 4 {
            self.0.push(secret);
        }
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
