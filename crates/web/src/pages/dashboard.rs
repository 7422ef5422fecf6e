//! The first page: what waits for somebody, what is on its way, what happened.

use super::board::{CARDS, Column, Narrowed, under_way};
use crate::frame::{Frame, page};
use crate::model::{Activity, Hold, List, Release};
use crate::visit::{Paged, Visit};
use actix_web::http::StatusCode;
use askama::Template;

/// Something that waits for a person.
pub(crate) struct Waiting {
    pub(crate) release: Release,
    pub(crate) hold: Hold,
    /// The visitor pilots the release.
    pub(crate) mine: bool,
    /// Where it is dealt with.
    pub(crate) place: String,
}

/// Releases of a stage.
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) releases: Vec<Release>,
}

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Dashboard {
    frame: Frame,
    waiting: Vec<Waiting>,
    stages: Vec<Stage>,
    open: usize,
    held: usize,
    shipping: usize,
    recent: Vec<Activity>,
    /// Some column has more releases than were looked at.
    more: bool,
    empty: bool,
}

/// The stage that a phase belongs to.
fn stage_of(phase: &str) -> &'static str {
    match phase {
        "NOT_STARTED" => "Planned",
        "KICKOFF" => "Kickoff",
        "AWAITING_REGRESSION" | "REGRESSION" | "REGRESSION_AWAITING_NEXT_CYCLE" => "Regression",
        "AWAITING_PRE_RELEASE" | "PRE_RELEASE" => "Pre-release",
        _ => "Distribution",
    }
}

/// In the order in which people are needed: what failed, then what only they can decide.
fn urgency(hold: &str) -> u8 {
    match hold {
        "QUARANTINE" | "DRIFT" => 0,
        "TASK_FAILED" | "INTEGRATION_INVALID" => 1,
        "AWAITING_APPROVAL" => 2,
        "AWAITING_CYCLE" => 3,
        _ => 4,
    }
}

fn place(release: &Release, hold: &Hold) -> String {
    match &hold.task_id {
        Some(task) => format!("/releases/{}/tasks/{task}", release.key),
        None => format!("/releases/{}#blockers", release.key),
    }
}

/// What waits for the visitor first, then for anybody; what failed before what is to be decided, the oldest first.
fn waiting(columns: &[Column], actor: &str) -> Vec<Waiting> {
    let mut all: Vec<Waiting> = columns
        .iter()
        .flat_map(|column| &column.releases)
        .flat_map(|release| {
            release.holds.iter().map(|hold| Waiting {
                mine: release
                    .pilot
                    .as_deref()
                    .is_some_and(|pilot| pilot.eq_ignore_ascii_case(actor)),
                place: place(release, hold),
                release: release.clone(),
                hold: hold.clone(),
            })
        })
        .collect();
    all.sort_by_key(|it| (!it.mine, urgency(&it.hold.hold), it.release.updated_at));
    all
}

/// The first page.
pub(super) async fn show(visit: Visit) -> Paged {
    let columns = under_way(&visit, CARDS, &Narrowed::default()).await?;
    let recent: List<Activity> = visit.look("/activities?limit=15").await?;
    let waiting = waiting(&columns, visit.who.actor());
    let more = columns.iter().any(|column| column.more);
    let releases: Vec<Release> = columns.into_iter().flat_map(|column| column.releases).collect();
    let held = releases.iter().filter(|it| !it.holds.is_empty()).count();
    let open = releases.len();
    let names = ["Planned", "Kickoff", "Regression", "Pre-release", "Distribution"];
    let mut stages = names.map(|name| Stage {
        name,
        releases: Vec::new(),
    });
    for release in releases {
        let name = stage_of(&release.phase);
        if let Some(stage) = stages.iter_mut().find(|stage| stage.name == name) {
            stage.releases.push(release);
        }
    }
    let shipping = stages.last().map_or(0, |stage| stage.releases.len());
    let template = Dashboard {
        shipping,
        frame: visit.checked_frame("dashboard").await,
        waiting,
        stages: stages.into(),
        open,
        held,
        recent: recent.items,
        more,
        empty: open == 0,
    };
    Ok(page(StatusCode::OK, &template))
}
