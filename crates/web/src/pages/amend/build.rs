//! A build that a person made, handed in.

use super::{Page, subject};
use crate::api::Call;
use crate::fields::{Choice, Field, Kind, Section, Sheet};
use crate::model::{Build, Problem, Release, Task};
use crate::shown::{brief, short, words};
use crate::visit::{Paged, Visit};
use actix_web::http::StatusCode;
use actix_web::web;
use delivr_domain::key::TaskKind;
use delivr_domain::release::work::makes_build;
use serde_json::Value;

/// Tasks that may take a build, those that wait for one first. The API has the last word.
fn takers(release: &Release) -> Vec<&Task> {
    let named = matches!(release.phase.as_str(), "PRE_RELEASE" | "AWAITING_DISTRIBUTION");
    let lacks = |task: &Task| {
        let same = |it: &&Build| Some(&it.target) == task.target.as_ref() && it.cycle.is_none();
        !release.builds.iter().any(|it| same(&it))
    };
    let mut found: Vec<&Task> = release
        .tasks
        .iter()
        .filter(|task| task.kind.parse::<TaskKind>().is_ok_and(makes_build))
        .filter(|task| match task.status.as_str() {
            "AWAITING_MANUAL" | "FAILED" | "PENDING" => true,
            // A store build that was left out, or done by hand, may still be named.
            "SKIPPED" | "COMPLETED" => named && task.stage == "PRE_RELEASE" && lacks(task),
            _ => false,
        })
        .collect();
    found.sort_by_key(|task| match task.status.as_str() {
        "AWAITING_MANUAL" => 0,
        "FAILED" => 1,
        "PENDING" => 3,
        _ => 2,
    });
    found
}

/// Whether somebody could hand a build in.
pub(in crate::pages) fn takes_build(release: &Release) -> bool {
    !takers(release).is_empty()
}

/// Whether a task waits for a build that a person makes.
pub(in crate::pages) fn waits(task: &Task) -> bool {
    task.status == "AWAITING_MANUAL" && task.kind.parse::<TaskKind>().is_ok_and(makes_build)
}

fn sheet(release: &Release, named: Option<&str>) -> Sheet {
    let all = takers(release).into_iter().map(|task| {
        let target = task.target.as_deref().map(brief).unwrap_or_default();
        let cycle = task.cycle.map(|it| format!(", cycle {it}")).unwrap_or_default();
        let label = format!("{target}: {}{cycle} ({})", words(&task.kind), state(&task.status));
        Choice::new(task.id.clone(), label)
    });
    let mut task = Field::choice("/task", "The build is for", all.collect()).must();
    if let Some(named) = named.filter(|it| task.choices().iter().any(|known| known.value == **it)) {
        task.value = named.to_owned();
    }
    let tested = release
        .cycles
        .last()
        .and_then(|it| Some((it.number, it.sha.as_deref()?)));
    let commit = match tested {
        Some((number, sha)) => format!(
            "What it was built from, in full; a build without it does not pass the gate by itself. Cycle {number} \
             tests {}.",
            short(sha)
        ),
        None => {
            "What it was built from, in full; a build without it does not pass the gate by itself.".to_owned()
        }
    };
    let fields = vec![
        task,
        Field::line("/buildNumber", "Build number or version code").must().like("1042"),
        Field::line("/sha", "Commit").about(commit),
        Field::line("/artifactUrl", "Where its file lies").about(
            "An https, http, s3 or gs address, kept as a reference. The file itself can be handed in on the next page.",
        ),
        Field::new("/buildUrl", "Where people see how it was made", Kind::Address),
    ];
    Sheet::new(vec![Section::new("The build", fields)])
}

/// How a task stands, towards somebody who brings its build.
fn state(status: &str) -> &'static str {
    match status {
        "AWAITING_MANUAL" => "waits for it",
        "FAILED" => "failed",
        "PENDING" => "not its turn yet",
        _ => "has none yet",
    }
}

fn asking(visit: &Visit, release: &Release, sheet: Sheet) -> Page {
    let title = format!("Hand in a build of {}", release.key);
    let mut page = Page::of(visit, release, title, "builds/new", sheet);
    page.lead =
        "A build that a person made elsewhere. Its task is done with it, and the release goes on. A run that may have \
         been started for it is looked for later; it brings no second build."
            .to_owned();
    page.button = "Hand the build in";
    if page.blocked.is_none() && !takes_build(release) {
        page.blocked = Some("No task of this release takes a build now.".to_owned());
    }
    page
}

pub(super) async fn ask(visit: Visit) -> Paged {
    let release = subject(&visit, "tasks,cycles,builds").await?;
    let query = visit.query();
    let sheet = sheet(&release, query.get("task"));
    asking(&visit, &release, sheet).show(StatusCode::OK)
}

pub(super) async fn hand_in(visit: Visit, body: web::Bytes) -> Paged {
    let form = visit.form(&body)?;
    let release = subject(&visit, "tasks,cycles,builds").await?;
    let mut sheet = sheet(&release, form.get("/task"));
    let wanted = sheet.take(&form);
    let page = asking(&visit, &release, sheet);
    let Some(wanted) = wanted else {
        return page.show(StatusCode::BAD_REQUEST);
    };
    let path = format!("/releases/{}/builds", release.key);
    let call = Call::post(path.clone(), wanted);
    if form.get("do") == Some("look") {
        return page.send(&visit, &form, call, &path).await;
    }
    let reply = visit.api.call(&visit.who, call).await;
    if !reply.status.is_success() {
        return page.refused(&visit, &Problem::of(&reply), reply.status);
    }
    let made: Value = reply.read().map_err(|reply| visit.refuse(reply))?;
    let id = made.get("id").and_then(Value::as_str).unwrap_or_default();
    Ok(crate::frame::go(&format!("{path}/{id}/file?done=handed-in")))
}
