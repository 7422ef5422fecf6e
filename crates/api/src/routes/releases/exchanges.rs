//! What was said to a vendor and by it in an attempt, as it was kept: without secrets, and cut.

use chrono::{DateTime, Utc};
use delivr_domain::ports::exchange::{Exchange, Said};
use delivr_domain::ports::store::{AttemptRecord, Heard};
use serde::Serialize;
use utoipa::ToSchema;

/// Of how many attempts an answer tells what was exchanged; the newest ones.
pub(crate) const NEWEST: u16 = 40;

/// One request to a vendor and what came of it. Secrets are replaced by `[redacted]`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExchangeView {
    provider: String,
    /// What the adapter wanted, in its own word.
    operation: String,
    /// The HTTP method.
    method: String,
    address: String,
    /// What was sent; null for nothing.
    sent: Option<SaidView>,
    /// The status of the answer; null when none came.
    status: Option<u16>,
    /// Why there is no answer.
    failure: Option<String>,
    /// What the vendor says about its limits, and the name under which it finds the request again.
    headers: Vec<HeaderView>,
    /// The body of the answer; null for nothing.
    received: Option<SaidView>,
    /// When it began.
    at: DateTime<Utc>,
    /// How long it took, in milliseconds.
    took_ms: u64,
}

/// A body.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SaidView {
    content_type: Option<String>,
    /// Its beginning, at most 4 KiB; null when it is no text.
    text: Option<String>,
    /// How long the whole body was, in bytes.
    bytes: u64,
    /// Whether the text ends before the body does.
    cut: bool,
}

/// A header of an answer.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeaderView {
    name: String,
    value: String,
}

impl From<&Said> for SaidView {
    fn from(it: &Said) -> Self {
        Self {
            content_type: it.kind.clone(),
            text: it.text.clone(),
            bytes: it.bytes,
            cut: it.cut,
        }
    }
}

impl From<&Exchange> for ExchangeView {
    fn from(it: &Exchange) -> Self {
        let header = |(name, value): &(String, String)| HeaderView {
            name: name.clone(),
            value: value.clone(),
        };
        Self {
            provider: it.provider.clone(),
            operation: it.operation.clone(),
            method: it.method.clone(),
            address: it.address.clone(),
            sent: it.sent.as_ref().map(SaidView::from),
            status: it.status,
            failure: it.failure.clone(),
            headers: it.headers.iter().map(header).collect(),
            received: it.received.as_ref().map(SaidView::from),
            at: it.at,
            took_ms: it.took_ms,
        }
    }
}

/// What was exchanged in an attempt, and how much of it is not kept.
pub(crate) fn of_attempt(heard: &[Heard], attempt: &AttemptRecord) -> (Vec<ExchangeView>, u32) {
    let of =
        |it: &&Heard| it.effect == attempt.effect && it.attempt == attempt.attempt && it.at == attempt.at;
    heard.iter().find(of).map_or_else(Default::default, |it| {
        let list = it.exchanges.list.iter().map(ExchangeView::from).collect();
        (list, it.exchanges.left_out)
    })
}
