//! Getting started: the way from nothing to the first release. How far somebody is follows from what there is, so that
//! it can be left and taken up again, by anybody of the organisation.

use super::{integrations, pipelines, profiles, services};
use crate::frame::{Frame, page};
use crate::model::{List, Release};
use crate::setup::{CATEGORIES, Doctor, Integration};
use crate::visit::{Paged, Stop, Visit};
use actix_web::http::StatusCode;
use askama::Template;

/// One step.
struct Step {
    title: &'static str,
    about: &'static str,
    done: bool,
    /// Releases can be made without it.
    optional: bool,
    /// What there is already: name, address, whether it works.
    there: Vec<(String, String, bool)>,
    /// What to do: address and words.
    act: (String, &'static str),
    /// The first one that is needed and not done.
    next: bool,
}

#[derive(Template)]
#[template(path = "start.html")]
struct Page {
    frame: Frame,
    steps: Vec<Step>,
    done: usize,
    finished: bool,
}

fn step(title: &'static str, about: &'static str, act: (String, &'static str)) -> Step {
    Step {
        title,
        about,
        done: false,
        optional: false,
        there: Vec::new(),
        act,
        next: false,
    }
}

/// The step of a category.
async fn connected(visit: &Visit, word: &'static str, title: &'static str) -> Result<Step, Stop> {
    let about = CATEGORIES.iter().find(|(known, _, _)| *known == word);
    let about = about.map_or("", |(_, _, about)| about);
    let found = integrations::of_category(visit, word).await?;
    let mut step = step(title, about, (format!("/integrations/{word}/new"), "Connect"));
    step.done = found.iter().any(Integration::works);
    step.optional = word != "scm" && word != "stores";
    step.there = found
        .into_iter()
        .map(|it| {
            let works = it.works();
            (it.name.clone(), it.path(), works)
        })
        .collect();
    Ok(step)
}

async fn steps(visit: &Visit) -> Result<Vec<Step>, Stop> {
    let mut steps = vec![
        connected(visit, "scm", "Connect your source control").await?,
        connected(visit, "stores", "Connect your stores").await?,
        connected(visit, "ci-cd", "Connect your CI/CD").await?,
    ];
    let found = pipelines::all(visit).await?;
    let mut of_jobs = step(
        "Say which jobs build and deploy",
        "A pipeline is one job for one platform and purpose. Without one, people upload the builds.",
        ("/pipelines/new".to_owned(), "Make a pipeline"),
    );
    let deploys = found.iter().any(|it| it.purpose == "DEPLOY");
    of_jobs.done = !found.is_empty();
    of_jobs.optional = true;
    of_jobs.there = found
        .into_iter()
        .map(|it| (it.name, format!("/pipelines/{}", it.id), true))
        .collect();
    // Who deploys to environments needs no store.
    if let Some(stores) = steps.get_mut(1) {
        stores.optional = deploys;
    }
    steps.push(of_jobs);
    for (word, title) in [
        ("communication", "Connect your chat"),
        ("project-management", "Connect your tickets"),
        ("test-management", "Connect your test management"),
    ] {
        steps.push(connected(visit, word, title).await?);
    }
    let found = services::all(visit).await?;
    let mut of_services = step(
        "Make a service",
        "What you release over and over: an app, a site, a backend.",
        ("/services/new".to_owned(), "Make a service"),
    );
    of_services.done = found.iter().any(crate::setup::Service::active);
    of_services.there = found
        .into_iter()
        .map(|it| (it.name, format!("/services/{}", it.id), true))
        .collect();
    steps.push(of_services);
    let found = profiles::all(visit).await?;
    let mut of_profiles = step(
        "Say how you release",
        "A profile holds names, gates, waits and stores. Without one, every setting has its default.",
        ("/profiles/new".to_owned(), "Make a profile"),
    );
    of_profiles.done = !found.is_empty();
    of_profiles.optional = true;
    of_profiles.there = found
        .into_iter()
        .map(|it| (it.name, format!("/profiles/{}", it.id), true))
        .collect();
    steps.push(of_profiles);
    let doctor: Doctor = visit.look("/doctor").await?;
    let mut of_doctor = step(
        "Let the doctor try everything",
        "Every permission that a release will need, before the first release.",
        ("/doctor".to_owned(), "Ask the doctor"),
    );
    of_doctor.done = doctor.ready;
    steps.push(of_doctor);
    let found: List<Release> = visit.look("/releases?limit=1").await?;
    let mut of_releases = step(
        "Plan the first release",
        "You see the whole plan, with times and exact names, before anything happens.",
        ("/releases/new".to_owned(), "New release"),
    );
    of_releases.done = !found.items.is_empty();
    of_releases.there = found
        .items
        .into_iter()
        .map(|it| (it.title, format!("/releases/{}", it.key), true))
        .collect();
    steps.push(of_releases);
    if let Some(next) = steps.iter_mut().find(|it| !it.done && !it.optional) {
        next.next = true;
    }
    Ok(steps)
}

/// The page.
pub(super) async fn show(visit: Visit) -> Paged {
    let steps = steps(&visit).await?;
    let template = Page {
        done: steps.iter().filter(|it| it.done).count(),
        finished: steps.iter().all(|it| it.done || it.optional),
        steps,
        frame: visit.checked_frame("start").await,
    };
    Ok(page(StatusCode::OK, &template))
}
