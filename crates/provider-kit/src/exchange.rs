//! Notes what is exchanged with vendors for the ear that listens, if one does.
//!
//! The ear is known to the task whose step is under way, so that an adapter needs to know nothing of it. Only the
//! beginning of a body is copied, and it is cleaned of secrets when somebody asks for it. Of headers, those alone are kept
//! that say what a body is, how the request is found again at the vendor's, and what its limits are.

use crate::http::{Answer, Body, Call};
use crate::mask::{fields, masked};
use crate::redact::Redactor;
use delivr_domain::ports::clock::{Clock, Monotonic};
use delivr_domain::ports::error::ProviderError;
use delivr_domain::ports::exchange::{ADDRESS, BODY, Ear, Exchange, FAILURE, Listener, Said};
use delivr_domain::time::Timestamp;
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use secrecy::SecretString;
use std::io::Write;
use std::sync::Arc;
use url::Url;

tokio::task_local! {
    static EAR: Arc<Ear>;
}

/// Bytes copied of a body beyond what is kept, at least: a secret may begin in what is kept and end behind it.
const BEYOND: usize = 1024;
const FORM: &str = "application/x-www-form-urlencoded";
/// Longest header that is kept, in bytes, and how many are.
const HEADER: usize = 100;
const MOST_HEADERS: usize = 12;
/// Headers that are kept, beside those about limits.
const KEPT: [&str; 7] = [
    "retry-after",
    "x-request-id",
    "x-github-request-id",
    "x-arequestid",
    "x-slack-req-id",
    "x-apple-request-uuid",
    "x-correlation-id",
];

/// Lets an ear hear the calls of all providers that are made with this crate's client.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ears;

impl Listener for Ears {
    fn hear(&self, ear: &Arc<Ear>, step: &mut dyn FnMut()) {
        EAR.sync_scope(Arc::clone(ear), step);
    }
}

/// The beginning of a body.
struct Piece {
    kind: Option<String>,
    beginning: Vec<u8>,
    bytes: u64,
}

/// Keeps the first bytes and counts the rest.
struct Beginning {
    kept: Vec<u8>,
    most: usize,
    bytes: u64,
}

impl Write for Beginning {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let room = self.most.saturating_sub(self.kept.len()).min(bytes.len());
        self.kept.extend_from_slice(bytes.get(..room).unwrap_or_default());
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Piece {
    fn of(kind: Option<String>, most: usize, write: impl FnOnce(&mut Beginning)) -> Option<Self> {
        let mut it = Beginning {
            kept: Vec::new(),
            most,
            bytes: 0,
        };
        write(&mut it);
        (it.bytes > 0).then_some(Self {
            kind,
            beginning: it.kept,
            bytes: it.bytes,
        })
    }

    fn of_body(body: &Body, most: usize) -> Option<Self> {
        match body {
            Body::Empty => None,
            // Writing into memory cannot fail.
            Body::Json(json) => Self::of(Some("application/json".to_owned()), most, |to| {
                let _written = serde_json::to_writer(to, json);
            }),
            Body::Form(fields) => Self::of(Some(FORM.to_owned()), most, |to| {
                let text = url::form_urlencoded::Serializer::new(String::new())
                    .extend_pairs(fields)
                    .finish();
                let _written = to.write(text.as_bytes());
            }),
            Body::Bytes(kind, bytes) => Self::of(Some(kind.clone()), most, |to| {
                let _written = to.write(bytes);
            }),
        }
    }

    fn of_answer(answer: &Answer, most: usize) -> Option<Self> {
        let kind = answer.header(CONTENT_TYPE.as_str()).map(str::to_owned);
        Self::of(kind, most, |to| {
            let _written = to.write(&answer.body);
        })
    }

    fn is_form(&self) -> bool {
        self.kind.as_deref().is_some_and(|kind| kind.starts_with(FORM))
    }

    fn said(&self, redactor: &Redactor, hidden: &[SecretString]) -> Said {
        let kind = self
            .kind
            .as_deref()
            .map(|kind| masked(kind, redactor, hidden, HEADER).text);
        let mut text =
            text(self.kind.as_deref(), &self.beginning).map(|text| masked(&text, redactor, hidden, BODY));
        if let Some(text) = text.as_mut().filter(|_| self.is_form()) {
            text.text = fields(&text.text, redactor, hidden);
            text.text.truncate(text.text.floor_char_boundary(BODY));
        }
        Said {
            kind,
            cut: text
                .as_ref()
                .is_some_and(|it| it.cut || self.bytes > self.beginning.len() as u64),
            text: text.map(|it| it.text),
            bytes: self.bytes,
        }
    }
}

/// The text of a body, if it is text by its type and its looks.
fn text(kind: Option<&str>, beginning: &[u8]) -> Option<String> {
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    let other = ["image/", "audio/", "video/", "font/", "multipart/"];
    if other.iter().any(|it| kind.starts_with(it))
        || ["octet-stream", "zip", "pdf"].iter().any(|it| kind.contains(it))
        || beginning.contains(&0)
    {
        return None;
    }
    match std::str::from_utf8(beginning) {
        Ok(text) => Some(text.to_owned()),
        // What was copied may end within a character.
        Err(error) if error.error_len().is_none() => {
            let whole = beginning.get(..error.valid_up_to())?;
            Some(String::from_utf8_lossy(whole).into_owned())
        }
        // A page in an old encoding is still worth reading.
        Err(_) if kind.starts_with("text/") => Some(String::from_utf8_lossy(beginning).into_owned()),
        Err(_) => None,
    }
}

/// The address without what proves who asks.
fn address(url: &Url, redactor: &Redactor, hidden: &[SecretString]) -> String {
    let mut bare = url.clone();
    // An address that cannot have a name in front has none.
    let _none = bare.set_username("");
    let _none = bare.set_password(None);
    bare.set_fragment(None);
    let it = masked(bare.as_str(), redactor, hidden, ADDRESS);
    let mut text = fields(&it.text, redactor, hidden);
    if it.cut || text.len() > ADDRESS {
        text.truncate(text.floor_char_boundary(ADDRESS - '…'.len_utf8()));
        text.push('…');
    }
    text
}

fn headers(all: &HeaderMap, redactor: &Redactor, hidden: &[SecretString]) -> Vec<(String, String)> {
    let about_limits = |name: &str| name.starts_with("x-ratelimit-") || name.starts_with("ratelimit");
    all.iter()
        .filter(|(name, _)| KEPT.contains(&name.as_str()) || about_limits(name.as_str()))
        .filter_map(|(name, value)| {
            let value = masked(value.to_str().ok()?, redactor, hidden, HEADER).text;
            let name = name.as_str();
            Some((name.get(..name.floor_char_boundary(HEADER))?.to_owned(), value))
        })
        .take(MOST_HEADERS)
        .collect()
}

/// A request as it was sent.
struct Begun {
    ear: Arc<Ear>,
    clock: Arc<dyn Clock>,
    provider: &'static str,
    operation: &'static str,
    method: String,
    url: Url,
    sent: Option<Piece>,
    most: usize,
    at: Timestamp,
    began: Monotonic,
    redactor: Redactor,
}

/// A request under way. Whatever becomes of it is noted, also when it is given up.
pub(crate) struct Noting(Option<Box<Begun>>);

impl Noting {
    /// Begins to note a request, if somebody listens.
    pub(crate) fn begin(call: &Call, url: &Url, clock: &Arc<dyn Clock>) -> Self {
        let Ok(ear) = EAR.try_with(Arc::clone) else {
            return Self(None);
        };
        let redactor = call.redactor().clone();
        let most = BODY + BEYOND.max(redactor.longest(&[]));
        Self(Some(Box::new(Begun {
            ear,
            clock: Arc::clone(clock),
            provider: call.provider(),
            operation: call.operation(),
            method: call.method().to_string(),
            url: url.clone(),
            sent: Piece::of_body(call.what(), most),
            most,
            at: clock.now(),
            began: clock.monotonic(),
            redactor,
        })))
    }

    /// Notes what came of it.
    pub(crate) fn ended(mut self, outcome: &Result<Answer, ProviderError>) {
        if let Some(begun) = self.0.take() {
            match outcome {
                Ok(answer) => begun.note(None, Some(answer)),
                Err(error) => begun.note(Some(error.sentence.clone()), None),
            }
        }
    }
}

impl Drop for Noting {
    fn drop(&mut self) {
        if let Some(begun) = self.0.take() {
            begun.note(
                Some("no answer came before the call was given up".to_owned()),
                None,
            );
        }
    }
}

impl Begun {
    fn note(self: Box<Self>, failure: Option<String>, answer: Option<&Answer>) {
        let took = self.clock.monotonic().0.saturating_sub(self.began.0);
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let status = answer.map(|it| it.status.as_u16());
        let received = answer.and_then(|it| Piece::of_answer(it, self.most));
        let received_headers = answer.map(|it| it.headers.clone()).unwrap_or_default();
        let ear = Arc::clone(&self.ear);
        ear.note(move |hidden| {
            let redactor = &self.redactor;
            Exchange {
                provider: self.provider.to_owned(),
                operation: self.operation.to_owned(),
                method: self.method.clone(),
                address: address(&self.url, redactor, hidden),
                sent: self.sent.as_ref().map(|it| it.said(redactor, hidden)),
                status,
                failure: failure
                    .as_deref()
                    .map(|it| masked(it, redactor, hidden, FAILURE).text),
                headers: headers(&received_headers, redactor, hidden),
                received: received.as_ref().map(|it| it.said(redactor, hidden)),
                at: self.at,
                took_ms,
            }
        });
    }
}
