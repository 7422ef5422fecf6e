//! What was said between us and a vendor while something was done, as it is kept for people: without secrets, bounded.
//!
//! Whoever makes the calls (an adapter's HTTP client) notes each of them with the [`Ear`] that listens, and with nobody
//! when none does. What is noted is put into words when it is asked for, so that what nobody keeps costs next to nothing.
//! A call that is given up half way is noted too: of a lost answer, the request is what a person needs to see.

use crate::time::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

/// How many exchanges are kept of those that come first.
pub const FIRST: usize = 5;
/// How many are kept of those that come last.
pub const LAST: usize = 15;
/// Bytes kept of one body.
pub const BODY: usize = 4 * 1024;
/// Bytes that all that is kept may take as JSON.
pub const WHOLE: usize = 32 * 1024;
/// Bytes kept of an address.
pub const ADDRESS: usize = 400;
/// Bytes kept of the sentence that says why there is no answer.
pub const FAILURE: usize = 240;

/// A body as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Its content type, if it was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its text without secrets, from its beginning; none when it is no text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// How long the whole body was, in bytes.
    pub bytes: u64,
    /// Whether the text ends before the body does.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

impl Said {
    /// With no more than so many bytes of text.
    fn shorten(&mut self, most: usize) {
        if let Some(text) = &mut self.text
            && text.len() > most
        {
            text.truncate(text.floor_char_boundary(most));
            self.cut = true;
        }
    }
}

/// One request and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// The provider's key.
    pub provider: String,
    /// What the adapter wanted, in its own word.
    pub operation: String,
    /// The HTTP method.
    pub method: String,
    /// The address, without secrets; at most [`ADDRESS`] bytes.
    pub address: String,
    /// What was sent; none for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Said>,
    /// The status of the answer; none when no whole answer came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Why there is no answer, for people; at most [`FAILURE`] bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What the vendor says about its limits, and the name under which it finds the request again: name and value.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The body of the answer; none for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<Said>,
    /// When it began, by our clock.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

impl Exchange {
    fn shorten(&mut self, most: usize) {
        for said in [&mut self.sent, &mut self.received].into_iter().flatten() {
            said.shorten(most);
        }
    }
}

/// What was exchanged in one attempt: the first [`FIRST`] and the last [`LAST`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchanges {
    /// In the order in which they ended.
    pub list: Vec<Exchange>,
    /// How many between the first and the last are not kept.
    #[serde(default)]
    pub left_out: u32,
}

impl Exchanges {
    /// The same within [`WHOLE`] bytes of JSON. The last exchange is what an attempt ended with: the others give way first.
    fn within_bounds(mut self) -> Self {
        let fits = |it: &Self| serde_json::to_string(it).is_ok_and(|text| text.len() <= WHOLE);
        for (others, last) in [
            (BODY, BODY),
            (2048, BODY),
            (1024, BODY),
            (512, BODY),
            (256, 2048),
            (128, 1024),
            (0, 0),
        ] {
            let before_last = self.list.len().saturating_sub(1);
            for (place, exchange) in self.list.iter_mut().enumerate() {
                exchange.shorten(if place < before_last { others } else { last });
            }
            if fits(&self) {
                return self;
            }
        }
        // Without bodies it fits, unless a provider has names of a size that none of ours has.
        self.left_out = self
            .left_out
            .saturating_add(u32::try_from(self.list.len()).unwrap_or(u32::MAX));
        self.list.clear();
        self
    }
}

/// A call that was noted, to be put into words without the secrets it knows and those named.
type Note = Box<dyn Fn(&[SecretString]) -> Exchange + Send>;

#[derive(Default)]
struct Noted {
    first: Vec<Note>,
    last: VecDeque<Note>,
    left_out: u32,
    hidden: Vec<SecretString>,
}

/// Hears what is exchanged with vendors while somebody listens.
#[derive(Default)]
pub struct Ear(Mutex<Noted>);

impl std::fmt::Debug for Ear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ear")
    }
}

impl Ear {
    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call that has ended, for whoever makes calls. What it says is asked for at most once.
    pub fn note(&self, note: impl Fn(&[SecretString]) -> Exchange + Send + 'static) {
        let mut noted = self.lock();
        if noted.first.len() < FIRST {
            noted.first.push(Box::new(note));
            return;
        }
        noted.last.push_back(Box::new(note));
        if noted.last.len() > LAST {
            noted.last.pop_front();
            noted.left_out = noted.left_out.saturating_add(1);
        }
    }

    /// A secret that stands in what is exchanged although no adapter knows it as one. Told before the call.
    pub fn hide(&self, secret: SecretString) {
        self.lock().hidden.push(secret);
    }

    /// What was heard, within the bounds; none when nothing was.
    #[must_use]
    pub fn heard(&self) -> Option<Exchanges> {
        let noted = self.lock();
        let list: Vec<Exchange> = noted
            .first
            .iter()
            .chain(&noted.last)
            .map(|note| note(&noted.hidden))
            .collect();
        let left_out = noted.left_out;
        drop(noted);
        (!list.is_empty()).then(|| Exchanges { list, left_out }.within_bounds())
    }
}

/// Whoever makes the calls: lets an ear hear those that are made in a step of a future.
pub trait Listener: Send + Sync {
    /// Runs the step once. The ear hears every call that begins in it, to the call's end.
    fn hear(&self, ear: &Arc<Ear>, step: &mut dyn FnMut());
}

/// Runs a future while the ear listens; without a listener, just runs it. What another task does is not heard.
pub async fn during<T>(listener: Option<&dyn Listener>, ear: &Arc<Ear>, work: impl Future<Output = T>) -> T {
    let Some(listener) = listener else {
        return work.await;
    };
    let mut work = pin!(work);
    poll_fn(|cx| {
        let mut polled = Poll::Pending;
        listener.hear(ear, &mut || polled = work.as_mut().poll(cx));
        polled
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(bytes: usize) -> Option<Said> {
        Some(Said {
            kind: Some("application/json".to_owned()),
            text: Some("é".repeat(bytes / 2)),
            bytes: bytes as u64,
            cut: false,
        })
    }

    fn exchange(number: usize, bytes: usize) -> Exchange {
        Exchange {
            provider: "test".to_owned(),
            operation: format!("operation {number}"),
            method: "POST".to_owned(),
            address: "https://vendor.example/".to_owned() + &"a".repeat(ADDRESS - 23),
            sent: said(bytes),
            status: None,
            failure: Some("f".repeat(FAILURE)),
            headers: vec![("retry-after".to_owned(), "60".to_owned())],
            received: said(bytes),
            at: Timestamp::from_timestamp(1_800_000_000, 123_456_000).unwrap(),
            took_ms: 10_000,
        }
    }

    #[test]
    fn the_first_and_the_last_are_kept_and_the_rest_is_counted() {
        let ear = Ear::default();
        assert_eq!(ear.heard(), None);
        for number in 0..23 {
            ear.note(move |_hidden| exchange(number, 2));
        }
        let heard = ear.heard().unwrap();
        let numbers: Vec<&str> = heard
            .list
            .iter()
            .map(|it| it.operation.trim_start_matches("operation "))
            .collect();
        assert_eq!(numbers[..7], ["0", "1", "2", "3", "4", "8", "9"]);
        assert_eq!((numbers.len(), numbers[19], heard.left_out), (20, "22", 3));
    }

    #[test]
    fn all_of_it_is_bounded_and_the_last_exchange_gives_way_last() {
        for count in [1, 5, 9, 20] {
            let ear = Ear::default();
            for number in 0..count {
                ear.note(move |_hidden| exchange(number, BODY));
            }
            let heard = ear.heard().unwrap();
            let text = serde_json::to_string(&heard).unwrap();
            assert!(text.len() <= WHOLE, "{count}: {}", text.len());
            assert_eq!(heard.list.len(), count, "none is lost for its size");
            let kept = |it: &Exchange| it.received.as_ref().unwrap().text.as_ref().unwrap().len();
            let last = heard.list.last().unwrap();
            assert!(heard.list.iter().all(|it| kept(it) <= kept(last)));
            assert!(kept(last) > 0, "{count}");
            assert_eq!(last.received.as_ref().unwrap().cut, kept(last) < BODY);
            assert_eq!(last.received.as_ref().unwrap().bytes, BODY as u64);
        }
        // The worst that JSON can make of a text.
        let ear = Ear::default();
        for number in 0..20 {
            ear.note(move |_hidden| {
                let mut it = exchange(number, 0);
                let quotes = Some("\"".repeat(BODY));
                it.received = said(0).map(|said| Said { text: quotes, ..said });
                it.failure = Some("\"".repeat(FAILURE));
                it
            });
        }
        let heard = ear.heard().unwrap();
        assert!(serde_json::to_string(&heard).unwrap().len() <= WHOLE);
        assert_eq!(heard.list.len(), 20);
    }

    #[test]
    fn what_another_version_wrote_can_be_read() {
        let text = r#"{"list":[{"provider":"p","operation":"o","method":"GET","address":"a","at":"2026-11-22T09:00:00Z",
            "took_ms":4,"later":"invented"}]}"#;
        let read: Exchanges = serde_json::from_str(text).unwrap();
        assert_eq!((read.list[0].took_ms, read.left_out), (4, 0));
        let text = serde_json::to_string(&read).unwrap();
        assert_eq!(serde_json::from_str::<Exchanges>(&text).unwrap(), read);
    }
}
