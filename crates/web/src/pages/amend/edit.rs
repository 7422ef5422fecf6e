//! What is said of a release, and its dates.

use super::{Page, changed, fields, instant, moment, remembered, subject, to_change, values, zone_of};
use crate::api::Call;
use crate::fields::{Choice, Field, Kind, Section, Sheet};
use crate::model::Release;
use crate::shown::words;
use crate::visit::{Paged, Visit};
use actix_web::http::{Method, StatusCode};
use actix_web::web;
use serde_json::{Map, Value};

/// How often a change is tried when the release moves at that very moment.
const TRIES: usize = 3;

/// The form, showing the release as it is.
fn sheet(release: &Release, zone: &str) -> Sheet {
    let priorities = ["LOW", "MEDIUM", "HIGH", "CRITICAL"].map(|word| Choice::new(word, words(word)));
    let said = vec![
        Field::line("/title", "Title").must().with(release.title.clone()),
        Field::new("/description", "Description", Kind::Long)
            .with(release.description.clone().unwrap_or_default()),
        Field::choice("/priority", "Priority", priorities.to_vec()).with(release.priority.clone()),
        Field::line("/pilot", "Pilot")
            .about("Who brings it home, by e-mail address. Leave it empty for nobody.")
            .with(release.pilot.clone().unwrap_or_default()),
    ];
    let mut dates = Vec::new();
    if release.phase == "NOT_STARTED" {
        dates.push(
            Field::new("/kickoffAt", "Kickoff", Kind::Moment)
                .must()
                .with(moment(Some(release.kickoff_at), zone)),
        );
        dates.push(
            Field::new("/kickoffReminderAt", "Reminder of the kickoff", Kind::Moment)
                .about("Leave it empty, and nobody is reminded.")
                .with(moment(release.kickoff_reminder_at, zone)),
        );
    }
    dates.push(
        Field::new("/targetDate", "Target date", Kind::Moment)
            .about("Leave it empty for no date.")
            .with(moment(release.target_date, zone)),
    );
    let mut dates = Section::new("When", dates);
    if release.phase != "NOT_STARTED" {
        dates = dates.about("The kickoff is over; its dates do not change any more.");
    }
    Sheet::new(vec![Section::new("What", said), dates])
}

fn asking(visit: &Visit, release: &Release, sheet: Sheet, zone: &'static str) -> Page {
    let mut page = Page::of(visit, release, format!("Edit {}", release.key), "edit", sheet);
    page.lead = "What is said of the release, and its dates. What you leave alone stays as it is.".to_owned();
    page.zone = Some(zone);
    page.hidden = vec![remembered(&values(&self::sheet(release, zone)))];
    page
}

pub(super) async fn ask(visit: Visit) -> Paged {
    let release = subject(&visit, "").await?;
    let zone = zone_of(&visit.query());
    let sheet = sheet(&release, zone);
    asking(&visit, &release, sheet, zone).show(StatusCode::OK)
}

/// What the request changes: the fields that the visitor has changed, and no others. What was emptied is cleared.
fn wanted(sheet: &mut Sheet, pointers: &[String], zone: &str) -> Map<String, Value> {
    let mine = values(sheet);
    let mut body = Map::new();
    for pointer in pointers {
        let text = mine.get(pointer).cloned().unwrap_or_default();
        let value = match pointer.as_str() {
            "/description" | "/pilot" | "/kickoffReminderAt" | "/targetDate" if text.is_empty() => {
                Value::Null
            }
            "/kickoffAt" | "/kickoffReminderAt" | "/targetDate" => {
                match instant(sheet, pointer, &text, zone) {
                    Some(at) => at.into(),
                    None => continue,
                }
            }
            _ => text.into(),
        };
        body.insert(pointer.trim_start_matches('/').to_owned(), value);
    }
    body
}

pub(super) async fn change(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let zone = zone_of(&form);
    let mut tries = 0;
    loop {
        tries += 1;
        let release = to_change(&visit, "").await?;
        let mut sheet = sheet(&release, zone);
        let present = values(&sheet);
        let taken = sheet.take(&form);
        if taken.is_none() {
            return asking(&visit, &release, sheet, zone).show(StatusCode::BAD_REQUEST);
        }
        let pointers = changed(&mut sheet, &form, &present);
        if !sheet.mistakes.is_empty() {
            return asking(&visit, &release, sheet, zone).show(StatusCode::CONFLICT);
        }
        let wanted = wanted(&mut sheet, &pointers, zone);
        if !sheet.mistakes.is_empty() {
            return asking(&visit, &release, sheet, zone).show(StatusCode::BAD_REQUEST);
        }
        // Fields that are left alone show what stands there now.
        for field in fields(&mut sheet) {
            if !pointers.contains(&field.pointer)
                && let Some(value) = present.get(&field.pointer)
            {
                field.value.clone_from(value);
            }
        }
        let path = format!("/releases/{}", release.key);
        let call = Call::with(Method::PATCH, path.clone(), wanted.into()).of_version(Some(release.revision));
        let page = asking(&visit, &release, sheet, zone);
        let answered = page
            .send(&visit, &form, call, &format!("{path}?done=edited"))
            .await?;
        // It moved between reading and writing: its fields are read and compared again.
        if answered.status() != StatusCode::PRECONDITION_FAILED || tries == TRIES {
            return Ok(answered);
        }
    }
}
