//! Operations: whether anybody works, what waits, what is in trouble, what failed and can be tried again.

use super::integrations::by_category;
use crate::frame::{Frame, page};
use crate::model::{Hold, List, Release};
use crate::pages::controls::Control;
use crate::setup::{Integration, Stopped};
use crate::visit::{Paged, Visit};
use actix_web::http::StatusCode;
use askama::Template;
use chrono::{DateTime, Utc};
use delivr_app::usecases::access::Role;
use futures_util::future;
use serde::Deserialize;

/// How the work stands.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Operations {
    worker_alive: bool,
    last_worker_at: Option<DateTime<Utc>>,
    due: usize,
    oldest_due_at: Option<DateTime<Utc>>,
    waiting: usize,
    claimed: usize,
    parked: usize,
    troubled: Vec<Troubled>,
    releases: usize,
    more: bool,
    stops: Vec<Stopped>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Troubled {
    release: String,
    does: String,
    state: String,
    failures: u16,
    trouble: Option<String>,
    due_at: DateTime<Utc>,
    give_up_at: DateTime<Utc>,
}

/// A task that failed, and trying it again.
struct Failed {
    release: Release,
    hold: Hold,
    task: String,
    controls: Vec<Control>,
}

#[derive(Template)]
#[template(path = "operations.html")]
struct Page {
    frame: Frame,
    now: Operations,
    failed: Vec<Failed>,
    broken: Vec<Integration>,
    controls: Vec<Control>,
}

/// The page.
pub(super) async fn show(visit: Visit) -> Paged {
    let stopped = "/releases?attention=STOPPED&open=true&sort=-updatedAt&limit=100";
    let shown = future::try_join3(
        visit.look::<Operations>("/operations"),
        by_category(&visit),
        visit.look::<List<Release>>(stopped),
    );
    let (frame, (now, integrations, found)) = visit.with_frame("operations", shown).await?;
    let broken = integrations
        .into_iter()
        .flatten()
        .filter(|it| !it.works())
        .collect();
    let mut failed = Vec::new();
    for release in found.items {
        for hold in release.holds.iter().filter(|it| it.hold == "TASK_FAILED") {
            let Some(task) = hold.task_id.clone() else {
                continue;
            };
            let retry = super::control(
                &visit,
                Role::Member,
                "Retry",
                format!("/releases/{}/do/retry?of={task}", release.key),
            );
            failed.push(Failed {
                release: release.clone(),
                hold: hold.clone(),
                task,
                controls: vec![retry],
            });
        }
    }
    let template = Page {
        failed,
        broken,
        controls: vec![
            super::line::control(&visit, &now.stops),
            super::control(&visit, Role::Viewer, "Ask the doctor", "/doctor"),
        ],
        now,
        frame,
    };
    Ok(page(StatusCode::OK, &template))
}
