//! Planned regression cycles: added, changed, dropped.

use super::{Page, changed, instant, moment, remembered, subject, values, zone_of};
use crate::api::Call;
use crate::fields::{Choice, Field, Kind, Section, Sheet};
use crate::model::{Release, Slot};
use crate::session::secret;
use crate::visit::{Paged, Stop, Visit, no};
use actix_web::http::{Method, StatusCode};
use actix_web::web;
use serde_json::{Map, Value};

fn sheet(slot: Option<&Slot>, zone: &str) -> Sheet {
    let choice = |pointer: &str, label: &str, words: [(&str, &str); 2], has: Option<&String>| {
        let choices = words.map(|(word, label)| Choice::new(word, label)).to_vec();
        let field = Field::choice(pointer, label, choices);
        match has {
            Some(word) => field.with(word.clone()),
            None => field,
        }
    };
    let builds = [("BUILD", "New ones are made"), ("NO_BUILD", "None are made")];
    let automation = [("RUN", "It runs"), ("NO_RUN", "It does not run")];
    let missed = [("RUN_LATE", "It runs late"), ("SKIP", "It is left out")];
    let fields = vec![
        Field::new("/at", "When", Kind::Moment)
            .must()
            .with(moment(slot.map(|it| it.at), zone)),
        choice("/builds", "Builds", builds, slot.map(|it| &it.builds)),
        choice(
            "/automation",
            "Automation",
            automation,
            slot.map(|it| &it.automation),
        ),
        choice(
            "/missed",
            "If its time passes before it can run",
            missed,
            slot.map(|it| &it.missed),
        ),
    ];
    let title = if slot.is_some() {
        "The cycle"
    } else {
        "A further cycle"
    };
    Sheet::new(vec![Section::new(title, fields)])
}

/// Why the release takes no slots any more.
fn closed(release: &Release) -> Option<String> {
    let over = matches!(
        release.phase.as_str(),
        "PRE_RELEASE" | "AWAITING_DISTRIBUTION" | "DISTRIBUTION" | "COMPLETED"
    );
    over.then(|| "Regression is over: cycles can be planned before pre-release starts.".to_owned())
}

fn listing(visit: &Visit, release: &Release, sheet: Sheet, zone: &'static str, once: Option<&str>) -> Page {
    let title = format!("Regression cycles of {}", release.key);
    let mut page = Page::of(visit, release, title, "slots", sheet);
    page.lead = "A planned cycle begins by itself at its time: it pins a commit, makes builds and runs automation, as \
                 planned here."
        .to_owned();
    page.button = "Plan the cycle";
    page.zone = Some(zone);
    page.slots.clone_from(&release.slots);
    page.lists_slots = true;
    let once = once.map_or_else(|| format!("page-{}", secret(visit.api.app())), ToOwned::to_owned);
    page.hidden = vec![("once", once)];
    page.blocked = page.blocked.or_else(|| closed(release));
    page
}

pub(super) async fn list(visit: Visit) -> Paged {
    let release = subject(&visit, "slots").await?;
    let zone = zone_of(&visit.query());
    listing(&visit, &release, sheet(None, zone), zone, None).show(StatusCode::OK)
}

/// The instant of the form in the place of its text.
fn with_instant(sheet: &mut Sheet, body: Option<Value>, zone: &str) -> Option<Value> {
    let mut body = body?;
    let members = body.as_object_mut()?;
    if let Some(text) = members.get("at").and_then(Value::as_str) {
        let at = instant(sheet, "/at", text, zone)?;
        members.insert("at".to_owned(), at.into());
    }
    Some(body)
}

pub(super) async fn add(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let release = subject(&visit, "slots").await?;
    let zone = zone_of(&form);
    let mut sheet = sheet(None, zone);
    let taken = sheet.take(&form);
    let wanted = with_instant(&mut sheet, taken, zone);
    let Some(wanted) = wanted else {
        return listing(&visit, &release, sheet, zone, None).show(StatusCode::BAD_REQUEST);
    };
    let path = format!("/releases/{}/slots", release.key);
    let mut call = Call::post(path.clone(), wanted);
    // Looking first must not use the name up under which it is planned once.
    if let (Some(name), false) = (form.get("once"), form.get("do") == Some("look")) {
        call = call.named(&form.done_once(name));
    }
    let page = listing(&visit, &release, sheet, zone, None);
    page.send(
        &visit,
        &form,
        call,
        &format!("{path}?done=slot-planned&zone={zone}"),
    )
    .await
}

async fn found(visit: &Visit) -> Result<(Release, Slot), Stop> {
    let wanted = visit.segment("slot")?;
    let release = subject(visit, "slots").await?;
    let slot = release.slots.iter().find(|it| it.id == wanted).cloned();
    match slot {
        Some(slot) => Ok((release, slot)),
        None => Err(visit.refuse_from(
            no(
                StatusCode::NOT_FOUND,
                "there is no such planned cycle: it has begun, or somebody has dropped it",
            ),
            &format!("/releases/{}/slots", release.key),
        )),
    }
}

fn asking(visit: &Visit, release: &Release, slot: &Slot, sheet: Sheet, zone: &'static str) -> Page {
    let part = format!("slots/{}", slot.id);
    let title = format!("A planned cycle of {}", release.key);
    let mut page = Page::of(visit, release, title, &part, sheet);
    page.lead = "It was not used yet.".to_owned();
    page.zone = Some(zone);
    page.hidden = vec![remembered(&values(&self::sheet(Some(slot), zone)))];
    page.blocked = page.blocked.or_else(|| closed(release));
    page
}

pub(super) async fn ask(visit: Visit) -> Paged {
    let (release, slot) = found(&visit).await?;
    let zone = zone_of(&visit.query());
    let sheet = sheet(Some(&slot), zone);
    asking(&visit, &release, &slot, sheet, zone).show(StatusCode::OK)
}

pub(super) async fn change(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let (release, slot) = found(&visit).await?;
    let zone = zone_of(&form);
    let mut sheet = sheet(Some(&slot), zone);
    let present = values(&sheet);
    let Some(body) = sheet.take(&form) else {
        return asking(&visit, &release, &slot, sheet, zone).show(StatusCode::BAD_REQUEST);
    };
    let pointers = changed(&mut sheet, &form, &present);
    if !sheet.mistakes.is_empty() {
        return asking(&visit, &release, &slot, sheet, zone).show(StatusCode::CONFLICT);
    }
    let mut wanted = Map::new();
    for name in pointers.iter().map(|it| it.trim_start_matches('/')) {
        if let Some(value) = body.get(name) {
            wanted.insert(name.to_owned(), value.clone());
        }
    }
    let Some(wanted) = with_instant(&mut sheet, Some(wanted.into()), zone) else {
        return asking(&visit, &release, &slot, sheet, zone).show(StatusCode::BAD_REQUEST);
    };
    let path = format!("/releases/{}/slots", release.key);
    let call = Call::with(Method::PATCH, format!("{path}/{}", slot.id), wanted);
    let page = asking(&visit, &release, &slot, sheet, zone);
    page.send(
        &visit,
        &form,
        call,
        &format!("{path}?done=slot-changed&zone={zone}"),
    )
    .await
}
