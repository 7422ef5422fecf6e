//! What was asked and answered, kept so that a test can hold it against a description of the vendor's API.

use serde_json::{Map, Value, json};

use crate::answer::Answer;
use crate::call::Call;

/// Most exchanges kept at a time.
const MOST: usize = 20_000;

/// Exchanges since recording began.
#[derive(Debug, Default)]
pub(crate) struct Exchanges {
    on: bool,
    kept: Vec<(String, Value)>,
}

impl Exchanges {
    pub(crate) fn start(&mut self) {
        self.on = true;
    }

    pub(crate) fn keep(&mut self, vendor: &str, call: &Call, answer: &Answer) {
        if !self.on || self.kept.len() >= MOST {
            return;
        }
        let of = |pairs: Vec<(String, String)>| -> Value {
            let pairs = pairs
                .into_iter()
                .map(|(name, value)| (name, Value::String(value)));
            Value::Object(pairs.collect::<Map<String, Value>>())
        };
        let sent = call.header("content-type").map(media).unwrap_or_default();
        let request = match sent.as_str() {
            "application/json" => call.json().unwrap_or_default(),
            "application/x-www-form-urlencoded" => of(call.form()),
            _ => Value::Null,
        };
        let said = media(&answer.content_type);
        let body = match said.as_str() {
            "application/json" => serde_json::from_slice(&answer.body).unwrap_or_default(),
            "" => Value::Null,
            _ => json!(String::from_utf8_lossy(&answer.body)),
        };
        let exchange = json!({
            "method": call.method, "path": call.path, "query": of(call.query.clone()),
            "requestType": sent, "request": request,
            "status": answer.status, "answerType": said, "answer": body,
        });
        self.kept.push((vendor.to_owned(), exchange));
    }

    pub(crate) fn take(&mut self, vendor: &str) -> Vec<Value> {
        let (taken, kept) = std::mem::take(&mut self.kept)
            .into_iter()
            .partition(|(of, _)| of == vendor);
        self.kept = kept;
        let taken: Vec<(String, Value)> = taken;
        taken.into_iter().map(|(_, exchange)| exchange).collect()
    }
}

/// The content type without its parameters.
fn media(text: &str) -> String {
    text.split(';').next().unwrap_or_default().trim().to_lowercase()
}
