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
    /// Where it is dealt with.
    place: String,
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

/// What tries a failed task again, and where it is seen, both below its release; none of what has not failed.
fn trying_again(hold: &Hold) -> Option<(String, String)> {
    let (verb, of) = match hold.hold.as_str() {
        "TASK_FAILED" => ("retry", hold.task_id.as_ref()?),
        "SUBMISSION_FAILED" => ("retry-submission", hold.submission_id.as_ref()?),
        "ROLLOUT_FAILED" => ("retry-rollout", hold.rollout_id.as_ref()?),
        _ => return None,
    };
    let place = match verb {
        "retry" => format!("/tasks/{of}"),
        _ => "#blockers".to_owned(),
    };
    Some((format!("{verb}?of={of}"), place))
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
        for hold in &release.holds {
            let Some((retry, place)) = trying_again(hold) else {
                continue;
            };
            let retry = super::control(
                &visit,
                Role::Member,
                "Retry",
                format!("/releases/{}/do/{retry}", release.key),
            );
            failed.push(Failed {
                place: format!("/releases/{}{place}", release.key),
                release: release.clone(),
                hold: hold.clone(),
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
