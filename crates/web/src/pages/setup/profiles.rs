//! Release profiles: their versions, what changed between two, and a new one.

use super::{FormPage, barred, control, profile_form, profile_notes, seen, services};
use crate::api::Call;
use crate::fields::{Choice, Field, Kind, Section, Sheet};
use crate::frame::{Frame, go, page};
use crate::model::{List, Problem};
use crate::pages::controls::Control;
use crate::setup::{Profile, Service};
use crate::visit::{Paged, Stop, Visit, no};
use actix_web::http::{Method, StatusCode};
use actix_web::web;
use askama::Template;
use delivr_app::usecases::access::Role;
use serde_json::{Value, json};
use std::collections::BTreeSet;

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .route("/profiles", web::get().to(list))
        .service(
            web::resource("/profiles/new")
                .route(web::get().to(ask))
                .route(web::post().to(make)),
        )
        .route("/profiles/{id}", web::get().to(show))
        .route("/profiles/{id}/diff", web::get().to(diff))
        .service(
            web::resource("/profiles/{id}/edit")
                .route(web::get().to(ask_change))
                .route(web::post().to(change)),
        );
}

/// All profiles, in their newest versions.
pub(super) async fn all(visit: &Visit) -> Result<Vec<Profile>, Stop> {
    let found: List<Profile> = visit.look("/profiles?limit=200").await?;
    Ok(found.items)
}

/// A profile with the service it is for.
struct Row {
    it: Profile,
    service: Option<Service>,
}

fn row(it: Profile, services: &[Service]) -> Row {
    Row {
        service: services
            .iter()
            .find(|known| it.service_id.as_deref() == Some(&known.id))
            .cloned(),
        it,
    }
}

#[derive(Template)]
#[template(path = "profiles.html")]
struct Listed {
    frame: Frame,
    rows: Vec<Row>,
    controls: Vec<Control>,
}

async fn list(visit: Visit) -> Paged {
    let services = services::all(&visit).await?;
    let template = Listed {
        rows: all(&visit)
            .await?
            .into_iter()
            .map(|it| row(it, &services))
            .collect(),
        controls: vec![control(&visit, Role::Admin, "New profile", "/profiles/new")],
        frame: visit.checked_frame("services").await,
    };
    Ok(page(StatusCode::OK, &template))
}

async fn find(visit: &Visit, revision: Option<&str>) -> Result<Profile, Stop> {
    let id = visit.segment("id")?;
    match revision {
        None => visit.look(format!("/profiles/{id}")).await,
        Some(text) => match text.parse::<u32>() {
            Ok(number) => visit.look(format!("/profiles/{id}?revision={number}")).await,
            Err(_) => Err(visit.refuse(no(StatusCode::NOT_FOUND, "there is no such version"))),
        },
    }
}

/// A section of the settings, for reading.
struct Part {
    title: String,
    rows: Vec<(String, String)>,
}

/// The settings as people read them: the form's own words.
fn parts(it: &Profile) -> Vec<Part> {
    let stored = json!({"settings": it.settings});
    let sheet = profile_form::sheet(Section::new("", Vec::new()), &stored);
    let section = |section: Section| Part {
        title: section.title,
        rows: section
            .fields
            .into_iter()
            .map(|field| {
                let value = value_in_words(&field);
                (field.label, value)
            })
            .collect(),
    };
    sheet
        .sections
        .into_iter()
        .map(section)
        .filter(|part| !part.rows.is_empty())
        .collect()
}

fn value_in_words(field: &Field) -> String {
    let label = |word: &str| {
        let found = field.choices().iter().find(|it| it.value == word);
        found.map_or_else(|| word.to_owned(), |it| it.label.clone())
    };
    match (field.shape(), field.value.as_str()) {
        ("flag", "true") => "yes".to_owned(),
        ("flag", _) => "no".to_owned(),
        (_, "") => "not set".to_owned(),
        _ if field.kind == Kind::Long => field.value.clone(),
        (_, value) => value.lines().map(label).collect::<Vec<_>>().join(", "),
    }
}

#[derive(Template)]
#[template(path = "profile_page.html")]
struct Page {
    frame: Frame,
    row: Row,
    newest: u32,
    parts: Vec<Part>,
    controls: Vec<Control>,
}

impl Page {
    /// Versions, the newest first, each with the one before it.
    fn versions(&self) -> Vec<(u32, Option<u32>)> {
        (1..=self.newest)
            .rev()
            .take(50)
            .map(|it| (it, it.checked_sub(1).filter(|before| *before > 0)))
            .collect()
    }
}

async fn show(visit: Visit) -> Paged {
    let query = visit.query();
    let newest = find(&visit, None).await?;
    let it = match query.get("revision") {
        None => newest.clone(),
        Some(text) => find(&visit, Some(text)).await?,
    };
    let services = services::all(&visit).await?;
    let template = Page {
        newest: newest.revision,
        parts: parts(&it),
        controls: vec![control(
            &visit,
            Role::Admin,
            "New version",
            format!("/profiles/{}/edit", it.id),
        )],
        row: row(it, &services),
        frame: visit.checked_frame("services").await,
    };
    Ok(page(StatusCode::OK, &template))
}

/// One difference.
struct Change {
    part: String,
    label: String,
    before: String,
    after: String,
}

#[derive(Template)]
#[template(path = "profile_diff.html")]
struct Diff {
    frame: Frame,
    before: Profile,
    after: Profile,
    changes: Vec<Change>,
}

fn changes(before: &[Part], after: &[Part]) -> Vec<Change> {
    let flat = |parts: &[Part]| -> Vec<(String, String, String)> {
        parts
            .iter()
            .flat_map(|part| {
                let rows = part.rows.iter();
                rows.map(|(label, value)| (part.title.clone(), label.clone(), value.clone()))
            })
            .collect()
    };
    let (before, after) = (flat(before), flat(after));
    let places: BTreeSet<(&String, &String)> = after.iter().map(|(part, label, _)| (part, label)).collect();
    let value = |all: &[(String, String, String)], part: &str, label: &str| {
        let found = all.iter().find(|(p, l, _)| p == part && l == label);
        match found {
            Some((_, _, value)) => value.clone(),
            // A set instant has no field, and a language without a text has none either.
            None if label == profile_form::TIMING => "at a set instant".to_owned(),
            None => "not set".to_owned(),
        }
    };
    let gone = before
        .iter()
        .filter(|(part, label, _)| !places.contains(&(part, label)));
    after
        .iter()
        .chain(gone)
        .map(|(part, label, _)| Change {
            part: part.clone(),
            label: label.clone(),
            before: value(&before, part, label),
            after: value(&after, part, label),
        })
        .filter(|change| change.before != change.after)
        .collect()
}

async fn diff(visit: Visit) -> Paged {
    let query = visit.query();
    let after = find(&visit, query.get("to")).await?;
    let before = match query.get("from") {
        Some(text) => find(&visit, Some(text)).await?,
        None => {
            let number = after.revision.saturating_sub(1).max(1).to_string();
            find(&visit, Some(&number)).await?
        }
    };
    let services = services::all(&visit).await?;
    let called = |it: &Profile| {
        let found = row(it.clone(), &services).service;
        found.map_or_else(|| "every service".to_owned(), |it| it.name)
    };
    let mut all = changes(&parts(&before), &parts(&after));
    if before.service_id != after.service_id {
        all.insert(
            0,
            Change {
                part: "Profile".to_owned(),
                label: "For".to_owned(),
                before: called(&before),
                after: called(&after),
            },
        );
    }
    let template = Diff {
        frame: visit.frame("services"),
        changes: all,
        before,
        after,
    };
    Ok(page(StatusCode::OK, &template))
}

async fn sheet(visit: &Visit, stored: &Value, made: bool) -> Result<Sheet, Stop> {
    let all = services::all(visit).await?;
    let mut services = services::offered(&all);
    services.insert(0, Choice::new("", "Every service"));
    // One that is archived stays what the profile is for, until somebody chooses another.
    let kept = stored.get("serviceId").and_then(Value::as_str);
    let archived = all.iter().find(|it| kept == Some(it.id.as_str()) && !it.active());
    services.extend(archived.map(|it| Choice::new(it.id.clone(), format!("{} (archived)", it.name))));
    let mut first = Vec::new();
    if !made {
        first.push(
            Field::line("/name", "Name")
                .must()
                .about("It never changes.")
                .like("Weekly"),
        );
    }
    first.push(Field::choice("/serviceId", "For", services));
    let mut sheet = profile_form::sheet(Section::new("Profile", first), stored);
    let texts = sheet
        .sections
        .iter_mut()
        .find(|it| it.title == profile_notes::TITLE);
    if let Some(texts) = texts {
        texts.fields.extend(profile_notes::further());
    }
    Ok(sheet)
}

fn asking(visit: &Visit, sheet: Sheet, of: Option<&Profile>) -> FormPage {
    let above = ("/profiles".to_owned(), "Release profiles".to_owned());
    let path = of.map(|it| format!("/profiles/{}", it.id));
    FormPage {
        frame: visit.frame("services"),
        crumbs: std::iter::once(above)
            .chain(path.clone().zip(of.map(|it| it.name.clone())))
            .collect(),
        title: of.map_or_else(
            || "New profile".to_owned(),
            |it| format!("New version of {}", it.name),
        ),
        lead: "How releases are made: names, gates, waits, stores. A release keeps the version it was planned with.",
        action: path
            .as_ref()
            .map_or_else(|| "/profiles/new".to_owned(), |it| format!("{it}/edit")),
        button: if of.is_some() {
            "Save the new version"
        } else {
            "Make the profile"
        },
        back: path.unwrap_or_else(|| "/profiles".to_owned()),
        hidden: of
            .map(|it| ("version", it.revision.to_string()))
            .into_iter()
            .collect(),
        sheet,
        blocked: barred(visit, Role::Admin),
    }
}

async fn ask(visit: Visit) -> Paged {
    let query = visit.query();
    let stored = json!({"serviceId": query.get("service"), "settings": {}});
    let sheet = sheet(&visit, &stored, false).await?;
    asking(&visit, sheet, None).show(StatusCode::OK)
}

async fn make(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let mut sheet = sheet(&visit, &json!({"settings": {}}), false).await?;
    let Some(mut wanted) = sheet.take(&form) else {
        return asking(&visit, sheet, None).show(StatusCode::BAD_REQUEST);
    };
    let further = profile_notes::take_further(&mut sheet, &form, &mut wanted);
    if !sheet.mistakes.is_empty() {
        return asking(&visit, sheet, None).show(StatusCode::BAD_REQUEST);
    }
    let reply = visit.api.call(&visit.who, Call::post("/profiles", wanted)).await;
    if !reply.status.is_success() {
        sheet.refuse(&profile_notes::placed(Problem::of(&reply), further.as_ref()));
        return asking(&visit, sheet, None).show(reply.status);
    }
    let made: Profile = reply.read().map_err(|reply| visit.refuse(reply))?;
    Ok(go(&format!("/profiles/{}?done=saved", made.id)))
}

fn stored(it: &Profile) -> Value {
    json!({"serviceId": it.service_id, "settings": it.settings})
}

async fn ask_change(visit: Visit) -> Paged {
    let it = find(&visit, None).await?;
    let sheet = sheet(&visit, &stored(&it), true).await?;
    asking(&visit, sheet, Some(&it)).show(StatusCode::OK)
}

async fn change(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let mut it = find(&visit, None).await?;
    it.revision = seen(&form).unwrap_or(it.revision);
    let mut sheet = sheet(&visit, &stored(&it), true).await?;
    let Some(mut wanted) = sheet.take(&form) else {
        return asking(&visit, sheet, Some(&it)).show(StatusCode::BAD_REQUEST);
    };
    let further = profile_notes::take_further(&mut sheet, &form, &mut wanted);
    if !sheet.mistakes.is_empty() {
        return asking(&visit, sheet, Some(&it)).show(StatusCode::BAD_REQUEST);
    }
    profile_form::keep_instants(&mut wanted, &stored(&it));
    let path = format!("/profiles/{}", it.id);
    let call = Call::with(Method::PUT, path.clone(), wanted).of_version(Some(it.revision.into()));
    let reply = visit.api.call(&visit.who, call).await;
    if !reply.status.is_success() {
        sheet.refuse(&profile_notes::placed(Problem::of(&reply), further.as_ref()));
        return asking(&visit, sheet, Some(&it)).show(reply.status);
    }
    Ok(go(&format!("{path}/diff?done=revised")))
}
