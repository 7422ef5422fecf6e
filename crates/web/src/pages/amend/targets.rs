//! Where the builds of a release's targets come from.

use super::{Page, changed, remembered, subject, to_change, values};
use crate::api::Call;
use crate::fields::{Choice, Field, Section, Sheet};
use crate::model::{Explanation, Problem, Release};
use crate::shown::words;
use crate::visit::{Paged, Visit};
use actix_web::http::{Method, StatusCode};
use actix_web::web;
use serde_json::json;

fn sheet(release: &Release) -> Sheet {
    let modes = [
        ("PIPELINE", "A pipeline makes them"),
        ("MANUAL", "People upload them"),
    ];
    let modes = modes.map(|(word, label)| Choice::new(word, label));
    let targets = release.targets.iter().map(|it| {
        let label = format!("{}: builds", words(&it.target));
        Field::choice(format!("/{}", it.target), label, modes.to_vec()).with(it.builds.clone())
    });
    Sheet::new(vec![Section::new("Targets", targets.collect())])
}

fn asking(visit: &Visit, release: &Release, sheet: Sheet) -> Page {
    let title = format!("Where builds of {} come from", release.key);
    let mut page = Page::of(visit, release, title, "targets", sheet);
    page.lead = "It counts for builds that have not been started yet: a run that may be there is looked for before a person \
                 is asked. What ships where, and by which version, stays as \
                 it was planned: those names exist at vendors."
        .to_owned();
    page.hidden = vec![remembered(&values(&self::sheet(release)))];
    page
}

pub(super) async fn ask(visit: Visit) -> Paged {
    let release = subject(&visit, "").await?;
    let sheet = sheet(&release);
    asking(&visit, &release, sheet).show(StatusCode::OK)
}

pub(super) async fn change(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let release = to_change(&visit, "").await?;
    let mut sheet = sheet(&release);
    let present = values(&sheet);
    if sheet.take(&form).is_none() {
        return asking(&visit, &release, sheet).show(StatusCode::BAD_REQUEST);
    }
    let pointers = changed(&mut sheet, &form, &present);
    if !sheet.mistakes.is_empty() {
        return asking(&visit, &release, sheet).show(StatusCode::CONFLICT);
    }
    let mine = values(&sheet);
    let path = format!("/releases/{}", release.key);
    let looks = form.get("do") == Some("look");
    let mut preview = Explanation::default();
    for pointer in pointers {
        let builds = json!({"builds": mine.get(&pointer)});
        let call = Call::with(Method::PATCH, format!("{path}/targets{pointer}"), builds);
        let call = if looks { call.explained() } else { call };
        let reply = visit.api.call(&visit.who, call).await;
        if !reply.status.is_success() {
            let mut problem = Problem::of(&reply);
            for error in &mut problem.errors {
                error.pointer.clone_from(&pointer);
            }
            return asking(&visit, &release, sheet).refused(&visit, &problem, reply.status);
        }
        if looks {
            // Targets do not depend on each other: what each would do comes together.
            let said: Explanation = reply.read().map_err(|reply| visit.refuse(reply))?;
            if let Some(problem) = said.problem {
                let problem = Problem::from_value(problem);
                return asking(&visit, &release, sheet).refused(&visit, &problem, StatusCode::OK);
            }
            preview.events.extend(said.events);
            preview.effects.extend(said.effects);
            preview.dropped.extend(said.dropped);
        }
    }
    if looks {
        let mut page = asking(&visit, &release, sheet);
        page.preview = Some(preview);
        return page.show(StatusCode::OK);
    }
    Ok(crate::frame::go(&format!("{path}?done=builds-changed")))
}
