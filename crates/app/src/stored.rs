//! How states and events are stored, and what is done with those that another version of the program has written.
//!
//! Two versions work side by side while an installation is brought up to date. A newer one reads what older ones wrote. An
//! older one shows what a newer one wrote, as far as it understands it, and never changes it: serde passes over members it
//! does not know, and writing such a state back would lose them without a word.

use delivr_domain::aggregate::{Aggregate, Event};
use delivr_domain::key::AggregateKind;
use delivr_domain::ports::error::StoreError;
use delivr_domain::ports::store::{AggregateRow, StoredEvent};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Events are stored in an envelope, so that their format can change without losing old ones.
#[derive(Debug, Serialize, Deserialize)]
struct Envelope {
    format: u8,
    event: Event,
}

/// The format events are stored in: raised when a variant is added, or a member changes its meaning.
const EVENT_FORMAT: u8 = 4;

/// The format aggregates are stored in. Raise it whenever a member of a state is added or changes its meaning: while two
/// versions work side by side, the older one leaves alone what the newer one has written, since writing it back would
/// lose what it does not know. A newer version reads every older format.
pub const STATE_FORMAT: u64 = 6;

/// Where a state says its format. A state without one is of the first.
const FORMAT_MEMBER: &str = "format";

/// Reads a stored aggregate, to step it.
///
/// # Errors
/// `Corrupt` when the stored state is not one, or is one of another kind than the row's; `Newer` when a newer version
/// wrote it.
pub fn read_state(row: &AggregateRow) -> Result<Aggregate, StoreError> {
    match newer(row) {
        Some(error) => Err(error),
        None => parse_state(row),
    }
}

/// Reads a stored aggregate, to show it: what a newer version wrote too, as far as this one understands it.
///
/// # Errors
/// As [`read_state`].
pub fn show_state(row: &AggregateRow) -> Result<Aggregate, StoreError> {
    parse_state(row).map_err(|error| newer(row).unwrap_or(error))
}

/// Says so when a newer version wrote the state. One without a format is of the first.
fn newer(row: &AggregateRow) -> Option<StoreError> {
    let format = row.state.get(FORMAT_MEMBER)?.as_u64()?;
    (format > STATE_FORMAT).then_some(StoreError::Newer {
        what: "aggregate state",
        format,
    })
}

fn parse_state(row: &AggregateRow) -> Result<Aggregate, StoreError> {
    let corrupt = |why| StoreError::Corrupt {
        what: "aggregate state",
        why,
    };
    // The tag is looked at by hand: serde copies a whole tagged value to find its tag, and this is read at every step.
    let kind = row.id.kind;
    let tag = row.state.get("aggregate").and_then(Value::as_str);
    if tag != Some(kind.word()) {
        return Err(corrupt(format!("it says {tag:?} where {} belongs", kind.word())));
    }
    match kind {
        AggregateKind::Release => Box::deserialize(&*row.state).map(Aggregate::Release),
        AggregateKind::Submission => Box::deserialize(&*row.state).map(Aggregate::Submission),
        AggregateKind::Rollout => Box::deserialize(&*row.state).map(Aggregate::Rollout),
    }
    .map_err(|error| corrupt(error.to_string()))
}

/// Reads a stored event, as far as this version understands it.
///
/// # Errors
/// `Corrupt` when the stored payload is not one; `Newer` when a newer version wrote what this one does not understand.
pub fn read_event(stored: &StoredEvent) -> Result<Event, StoreError> {
    Envelope::deserialize(&stored.payload)
        .map(|envelope| envelope.event)
        .map_err(|error| {
            let format = stored.payload.get(FORMAT_MEMBER).and_then(Value::as_u64);
            match format.filter(|format| *format > u64::from(EVENT_FORMAT)) {
                Some(format) => StoreError::Newer {
                    what: "event",
                    format,
                },
                None => StoreError::Corrupt {
                    what: "event",
                    why: error.to_string(),
                },
            }
        })
}

fn encode<T: Serialize>(what: &'static str, value: &T) -> Result<serde_json::Value, StoreError> {
    serde_json::to_value(value).map_err(|error| StoreError::Corrupt {
        what,
        why: error.to_string(),
    })
}

/// The stored form of a state.
///
/// # Errors
/// `Corrupt` when it has none, which no state of ours does.
pub(crate) fn encode_state(state: &Aggregate) -> Result<Value, StoreError> {
    let mut value = encode("aggregate state", state)?;
    if let Value::Object(members) = &mut value {
        members.insert(FORMAT_MEMBER.to_owned(), Value::from(STATE_FORMAT));
    }
    Ok(value)
}

/// The stored form of an event.
///
/// # Errors
/// `Corrupt` when it has none, which no event of ours does.
pub(crate) fn encode_event(event: &Event) -> Result<Value, StoreError> {
    let envelope = Envelope {
        format: EVENT_FORMAT,
        event: event.clone(),
    };
    encode("event", &envelope)
}
