//! Releases over weeks, drawn on the server: when they began, when they are tested and due, where they stand.

use super::timeline::Part;
use crate::frame::{Frame, page};
use crate::model::Hold;
use crate::shown::words;
use crate::visit::{Paged, Visit};
use actix_web::http::StatusCode;
use askama::Template;
use chrono::{DateTime, Datelike as _, Days, NaiveDate, SecondsFormat, TimeDelta, Utc};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use url::form_urlencoded::Serializer;

/// Weeks on the page.
const WEEKS: u64 = 8;
/// Weeks of them that lie behind.
const BEHIND: i64 = 2;
/// A year of weeks either way is as far as anybody looks.
const FAR: i64 = 52;
/// Releases on the page.
const ROWS: usize = 120;

/// What the API says of a span of time.
#[derive(Debug, Clone, Deserialize)]
struct Span {
    items: Vec<Entry>,
    more: bool,
}

/// A release in time.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) version: String,
    pub(crate) title: String,
    service_slug: String,
    status: String,
    kickoff_at: DateTime<Utc>,
    target_date: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    slots: Vec<Slot>,
    holds: Vec<Hold>,
}

/// A planned regression cycle.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Slot {
    at: DateTime<Utc>,
}

/// A release on the drawing.
pub(crate) struct Row {
    pub(crate) release: Entry,
    pub(crate) x: Part,
    pub(crate) width: Part,
    pub(crate) tone: &'static str,
    /// Where its target date stands, if that is on the page.
    pub(crate) target: Option<Part>,
    /// Where its slots stand, of those on the page.
    pub(crate) slots: Vec<Part>,
    /// The drawing in words.
    pub(crate) said: String,
}

/// A service with its releases.
pub(crate) struct Group {
    pub(crate) service: String,
    pub(crate) rows: Vec<Row>,
}

/// The first day of a week.
pub(crate) struct Week {
    pub(crate) x: Part,
    pub(crate) label: String,
}

#[derive(Template)]
#[template(path = "calendar.html")]
struct Calendar {
    frame: Frame,
    groups: Vec<Group>,
    weeks: Vec<Week>,
    now: Option<Part>,
    from: String,
    to: String,
    before: i64,
    after: i64,
    shifted: bool,
    /// There are releases that are not drawn.
    more: bool,
}

struct Scale {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

impl Scale {
    fn x(&self, at: DateTime<Utc>) -> Part {
        let whole = (self.to - self.from).num_minutes().max(1);
        let part = (at - self.from).num_minutes().clamp(0, whole);
        Part(part.saturating_mul(10_000) / whole)
    }
    fn has(&self, at: DateTime<Utc>) -> bool {
        self.from <= at && at <= self.to
    }
    fn of(&self, at: DateTime<Utc>) -> Option<Part> {
        self.has(at).then(|| self.x(at))
    }
}

/// The Monday of the week of a day, so many weeks away.
fn monday(day: NaiveDate, weeks: i64) -> NaiveDate {
    let back = u64::from(day.weekday().num_days_from_monday());
    let monday = day.checked_sub_days(Days::new(back)).unwrap_or(day);
    monday
        .checked_add_signed(TimeDelta::weeks(weeks))
        .unwrap_or(monday)
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(chrono::NaiveTime::MIN).and_utc()
}

/// Whether a hold is a decision that comes with every release, and no trouble.
fn waits(hold: &Hold) -> bool {
    matches!(
        hold.hold.as_str(),
        "AWAITING_APPROVAL"
            | "AWAITING_CYCLE"
            | "AWAITING_SUBMIT"
            | "AWAITING_RELEASE_TO_USERS"
            | "AWAITING_ADVANCE"
    )
}

/// How a release stands: the tone of its bar, and in words.
fn standing(release: &Entry) -> (&'static str, String) {
    let stops: BTreeSet<String> = release
        .holds
        .iter()
        .filter(|hold| !waits(hold))
        .map(|hold| stop(&hold.hold))
        .collect();
    match release.status.as_str() {
        "DEPLOYED" => ("good", "deployed".to_owned()),
        "ROLLED_BACK" => ("bad", "rolled back".to_owned()),
        "CANCELLED" => ("plain", "given up".to_owned()),
        _ if !stops.is_empty() => {
            let stops: Vec<String> = stops.into_iter().collect();
            ("bad", format!("stopped: {}", stops.join(", ")))
        }
        "PLANNING" => ("plain", "planned".to_owned()),
        _ if release.holds.is_empty() => ("busy", "on its way".to_owned()),
        _ => ("warn", "waits for a person".to_owned()),
    }
}

/// What stops a release, as a part of a sentence.
fn stop(hold: &str) -> String {
    match hold {
        "USER_PAUSED" => "paused".to_owned(),
        other => words(other).to_lowercase(),
    }
}

fn day(at: DateTime<Utc>) -> String {
    at.format("%-d %b").to_string()
}

/// The drawing in words: for whom it is not drawn, and where there is no room for its scale.
fn said(release: &Entry, end: DateTime<Utc>, standing: &str) -> String {
    let mut said = format!("{} to {}", day(release.kickoff_at), day(end));
    if let Some(at) = release.target_date {
        said.push_str(&format!(", due {}", day(at)));
    }
    let slots: Vec<String> = release.slots.iter().map(|slot| day(slot.at)).collect();
    if !slots.is_empty() {
        said.push_str(&format!(", slots {}", slots.join(", ")));
    }
    format!("{said}, {standing}")
}

/// A release as a bar: from its kickoff to its end, or to where it is planned to go, or to today where that has passed.
fn row(release: Entry, scale: &Scale, now: DateTime<Utc>) -> Option<Row> {
    let planned = release
        .slots
        .iter()
        .map(|slot| slot.at)
        .chain(release.target_date);
    let end = release
        .ended_at
        .unwrap_or_else(|| planned.fold(now.max(release.kickoff_at), DateTime::max));
    if end < scale.from || release.kickoff_at > scale.to {
        return None;
    }
    let (x, until) = (scale.x(release.kickoff_at), scale.x(end));
    let (tone, standing) = standing(&release);
    // A day is still one that can be seen, also at the right edge.
    let x = Part(x.0.min(9_880));
    Some(Row {
        x,
        width: Part(until.0.saturating_sub(x.0).max(120)),
        tone,
        target: release.target_date.and_then(|at| scale.of(at)),
        slots: release
            .slots
            .iter()
            .filter_map(|slot| scale.of(slot.at))
            .collect(),
        said: said(&release, end, &standing),
        release,
    })
}

/// The page.
pub(super) async fn show(visit: Visit) -> Paged {
    let query = visit.query();
    let shift: i64 = query.get("weeks").and_then(|text| text.parse().ok()).unwrap_or(0);
    let shift = shift.clamp(-FAR, FAR);
    let now = visit.api.app().clock.now();
    let first = monday(now.date_naive(), shift.saturating_sub(BEHIND));
    let last = first.checked_add_days(Days::new(WEEKS * 7)).unwrap_or(first);
    let scale = Scale {
        from: midnight(first),
        to: midnight(last),
    };
    let written = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let wanted = Serializer::new(String::new())
        .append_pair("from", &written(scale.from))
        .append_pair("to", &written(scale.to))
        .finish();
    let span = visit.look::<Span>(format!("/calendar?{wanted}"));
    let (frame, span) = visit.with_frame("timeline", span).await?;
    let mut rows: Vec<Row> = span
        .items
        .into_iter()
        .filter_map(|release| row(release, &scale, now))
        .collect();
    // Those that began last are what people look for.
    let surplus = rows.len().saturating_sub(ROWS);
    rows.drain(..surplus);
    let mut groups: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in rows {
        groups
            .entry(row.release.service_slug.clone())
            .or_default()
            .push(row);
    }
    let weeks = (0..WEEKS).filter_map(|week| {
        let day = first.checked_add_days(Days::new(week * 7))?;
        Some(Week {
            x: scale.x(midnight(day)),
            label: day.format("%-d %b").to_string(),
        })
    });
    let template = Calendar {
        weeks: weeks.collect(),
        now: scale.of(now),
        from: first.format("%-d %B").to_string(),
        to: last.format("%-d %B %Y").to_string(),
        before: shift.saturating_sub(4).max(-FAR),
        after: shift.saturating_add(4).min(FAR),
        shifted: shift != 0,
        more: span.more || surplus > 0,
        groups: groups
            .into_iter()
            .map(|(service, rows)| Group { service, rows })
            .collect(),
        frame,
    };
    Ok(page(StatusCode::OK, &template))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn entry(over: &serde_json::Value) -> Entry {
        let mut whole = json!({
            "key": "REL-1", "version": "1.0.0", "title": "x", "serviceSlug": "shop", "status": "IN_STAGING",
            "kickoffAt": "2026-11-03T00:00:00Z", "targetDate": null, "endedAt": null, "slots": [], "holds": [],
        });
        for (name, value) in over.as_object().unwrap() {
            whole[name] = value.clone();
        }
        serde_json::from_value(whole).unwrap()
    }

    fn scale() -> Scale {
        Scale {
            from: at("2026-11-02T00:00:00Z"),
            to: at("2026-11-12T00:00:00Z"),
        }
    }

    #[test]
    fn weeks_begin_on_mondays() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        assert_eq!(monday(day("2026-11-22"), 0), day("2026-11-16"));
        assert_eq!(monday(day("2026-11-16"), -2), day("2026-11-02"));
        assert_eq!(monday(day("2026-12-31"), 1), day("2027-01-04"));
    }

    #[test]
    fn what_lies_outside_ends_at_the_edge() {
        let scale = scale();
        assert_eq!(scale.x(at("2026-11-07T00:00:00Z")), Part(5_000));
        assert_eq!(scale.x(at("2025-01-01T00:00:00Z")), Part(0));
        assert_eq!(scale.x(at("+262142-01-01T00:00:00Z")), Part(10_000));
        assert_eq!(scale.of(at("2027-01-01T00:00:00Z")), None);
    }

    #[test]
    fn a_bar_reaches_as_far_as_the_plan() {
        let now = at("2026-11-05T00:00:00Z");
        let bar = |over: serde_json::Value| {
            let row = row(entry(&over), &scale(), now)?;
            Some((row.x.0, row.x.0 + row.width.0, row.tone))
        };
        assert_eq!(bar(json!({})), Some((1_000, 3_000, "busy")));
        assert_eq!(
            bar(json!({"targetDate": "2026-11-08T00:00:00Z"})),
            Some((1_000, 6_000, "busy"))
        );
        // What is late goes on to today; what has ended does not.
        assert_eq!(
            bar(json!({"targetDate": "2026-11-04T00:00:00Z"})),
            Some((1_000, 3_000, "busy"))
        );
        assert_eq!(
            bar(json!({"endedAt": "2026-11-04T00:00:00Z", "status": "DEPLOYED"})),
            Some((1_000, 2_000, "good"))
        );
        let slots = json!({"slots": [{"at": "2026-11-09T00:00:00Z"}, {"at": "2026-12-01T00:00:00Z"}]});
        let drawn = row(entry(&slots), &scale(), now).unwrap();
        assert_eq!(
            (drawn.slots, drawn.x.0 + drawn.width.0),
            (vec![Part(7_000)], 10_000)
        );
        assert_eq!(bar(json!({"kickoffAt": "2026-12-01T00:00:00Z"})), None);
        assert_eq!(bar(json!({"endedAt": "2026-11-01T00:00:00Z"})), None);
    }

    #[test]
    fn only_what_nothing_stops_is_on_its_way() {
        let shown = |status: &str, holds: &[&str]| {
            let hold = |word: &&str| json!({"hold": word, "detail": "", "liftedBy": "", "taskId": null, "stage": null});
            let holds: Vec<_> = holds.iter().map(hold).collect();
            standing(&entry(&json!({"status": status, "holds": holds})))
        };
        for (status, holds, tone, said) in [
            ("READY_PRODUCTION", &[][..], "busy", "on its way"),
            ("IN_REVIEW", &["AWAITING_APPROVAL"], "warn", "waits for a person"),
            (
                "READY_PRODUCTION",
                &["AWAITING_ADVANCE"],
                "warn",
                "waits for a person",
            ),
            (
                "READY_PRODUCTION",
                &["AWAITING_SUBMIT", "AWAITING_RELEASE_TO_USERS"],
                "warn",
                "waits for a person",
            ),
            ("IN_STAGING", &["TASK_FAILED"], "bad", "stopped: task failed"),
            ("PLANNING", &["USER_PAUSED"], "bad", "stopped: paused"),
            (
                "READY_PRODUCTION",
                &["ROLLOUT_PAUSED"],
                "bad",
                "stopped: rollout paused",
            ),
            (
                "READY_PRODUCTION",
                &[
                    "ROLLOUT_HALTED",
                    "AWAITING_ADVANCE",
                    "ROLLOUT_HALTED",
                    "USER_PAUSED",
                ],
                "bad",
                "stopped: paused, rollout halted",
            ),
            ("ROLLED_BACK", &["ROLLOUT_HALTED"], "bad", "rolled back"),
            ("CANCELLED", &[], "plain", "given up"),
        ] {
            assert_eq!(
                shown(status, holds),
                (tone, said.to_owned()),
                "{status} {holds:?}"
            );
        }
    }
}
