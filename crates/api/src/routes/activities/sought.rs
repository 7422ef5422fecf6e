//! What a look through what happened is narrowed to, as an address says it.

use crate::problem::Problem;
use chrono::{DateTime, Days, NaiveDate, NaiveTime, Utc};

/// Longest text that is looked for, in characters.
const LONGEST: usize = 200;

/// From when on, and until when.
pub(crate) type Span = (Option<DateTime<Utc>>, Option<DateTime<Utc>>);

/// The span between two texts: each an instant, or a day of UTC. The day that a span ends with belongs to it; the instant
/// does not.
pub(crate) fn span(since: Option<&str>, until: Option<&str>) -> Result<Span, Problem> {
    let since = since.map(|text| instant("/since", text, 0)).transpose()?;
    let until = until.map(|text| instant("/until", text, 1)).transpose()?;
    Ok((since, until))
}

fn instant(pointer: &str, text: &str, days: u64) -> Result<DateTime<Utc>, Problem> {
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Ok(at.to_utc());
    }
    text.parse::<NaiveDate>()
        .ok()
        .and_then(|day| day.checked_add_days(Days::new(days)))
        .map(|day| day.and_time(NaiveTime::MIN).and_utc())
        .ok_or_else(|| {
            Problem::malformed_at(pointer, "must be a day like 2026-11-22, or an instant (RFC 3339)")
        })
}

/// A text to be looked for; none when it is empty.
pub(crate) fn text(pointer: &str, asked: Option<String>) -> Result<Option<String>, Problem> {
    let asked = asked.filter(|text| !text.is_empty());
    match &asked {
        Some(text) if text.chars().count() > LONGEST => {
            Err(Problem::malformed_at(pointer, "must have at most 200 characters"))
        }
        Some(_) | None => Ok(asked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_whole_and_instants_exact() {
        let at = |text: &str| Some(text.parse::<DateTime<Utc>>().unwrap());
        assert_eq!(
            span(Some("2026-03-04"), Some("2026-03-04")).unwrap(),
            (at("2026-03-04T00:00:00Z"), at("2026-03-05T00:00:00Z"))
        );
        assert_eq!(
            span(None, Some("2026-03-04T05:06:07+01:00")).unwrap(),
            (None, at("2026-03-04T04:06:07Z"))
        );
        for wrong in ["", "yesterday", "2026-13-04", "2026-03-04T99:00:00Z"] {
            assert!(span(Some(wrong), None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_text_is_bounded_and_an_empty_one_is_none() {
        assert_eq!(text("/q", Some(String::new())).unwrap(), None);
        assert_eq!(text("/q", Some("x".repeat(200))).unwrap().unwrap().len(), 200);
        assert!(text("/q", Some("x".repeat(201))).is_err());
    }
}
