//! What a person sees in a browser at the web address of something that a vendor keeps: a page of facts.

use crate::answer::Answer;
use crate::call::Call;

/// A page about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// What it is.
    pub title: String,
    /// What is known of it: name and text.
    pub facts: Vec<(&'static str, String)>,
}

impl Page {
    /// A page with a title.
    #[must_use]
    pub fn of(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            facts: Vec::new(),
        }
    }

    /// The same with one more fact.
    #[must_use]
    pub fn fact(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.facts.push((name, text.into()));
        self
    }

    /// The page as a browser reads it. Nothing in it is anything but text, and it loads and runs nothing.
    pub(crate) fn shown(&self, vendor: &str) -> Answer {
        let facts = self.facts.iter();
        let facts: String = facts
            .map(|(name, text)| format!("<dt>{name}</dt><dd>{}</dd>", escaped(text)))
            .collect();
        let title = escaped(&self.title);
        let body = format!(
            "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
             content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\"><title>{title}</title>\
             </head><body><p>{vendor}, made up for practice</p><h1>{title}</h1><dl>{facts}</dl></body></html>"
        );
        Answer::html(200, &body)
            .header(
                "content-security-policy",
                "default-src 'none'; frame-ancestors 'none'",
            )
            .header("x-content-type-options", "nosniff")
            .header("cache-control", "no-store")
    }
}

/// Whether a browser asks, on behalf of a person: it wants a page, and brings no credential.
pub(crate) fn is_person(call: &Call) -> bool {
    call.method == "GET"
        && call.header("authorization").is_none()
        && call
            .header("accept")
            .is_some_and(|wanted| wanted.contains("text/html"))
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            _ => safe.push(letter),
        }
    }
    safe
}
