//! The first page: what waits for somebody, what is on its way, what happened.

use super::board::{CARDS, Narrowed, under_way};
use super::delivery::{Ages, Delivery};
use super::stats::{Count, Stats};
use crate::frame::{Frame, page};
use crate::model::{Activity, Hold, List, Release};
use crate::visit::{Paged, Stop, Visit};
use actix_web::http::StatusCode;
use askama::Template;
use chrono::{DateTime, Utc};
use futures_util::future;
use std::collections::BTreeSet;

/// What waits for somebody: so many are shown, the rest is in the queues.
const WAITING: usize = 20;
/// Releases that wait for the visitor, for a decision, or are stopped: so many of each are looked at, in the order of turns.
const EACH: usize = 20;

/// Releases of the visitor that are shown.
const MINE: usize = 10;
/// Dates to come that are shown, and as many that have passed.
const DATES: usize = 5;

/// The next date of a release.
pub(crate) struct Upcoming {
    pub(crate) release: Release,
    pub(crate) at: DateTime<Utc>,
    /// It is the kickoff, and not the target date.
    pub(crate) kickoff: bool,
}

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
    /// So many are of it.
    pub(crate) count: Count,
    /// Those that are shown.
    pub(crate) releases: Vec<Release>,
}

#[derive(Template)]
#[template(path = "dashboard.html")]
struct Dashboard {
    frame: Frame,
    waiting: Vec<Waiting>,
    /// Releases that wait for somebody or are stopped, shown or not.
    needed: Count,
    stages: Vec<Stage>,
    stats: Stats,
    shipping: Count,
    mine: Vec<Release>,
    late: Vec<Release>,
    upcoming: Vec<Upcoming>,
    delivery: Delivery,
    ages: Ages,
    recent: Vec<Activity>,
}

/// The stages as the API names them, and as people do.
const STAGES: &[(&str, &str)] = &[
    ("PLANNED", "Planned"),
    ("KICKOFF", "Kickoff"),
    ("REGRESSION", "Regression"),
    ("PRE_RELEASE", "Pre-release"),
    ("DISTRIBUTION", "Distribution"),
];

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
        "TASK_FAILED"
        | "INTEGRATION_INVALID"
        | "SUBMISSION_FAILED"
        | "ROLLOUT_FAILED"
        | "ROLLOUT_HALTED"
        | "STORE_ACTION_REQUIRED" => 1,
        "AWAITING_APPROVAL" | "AWAITING_SUBMIT" | "AWAITING_RELEASE_TO_USERS" => 2,
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
fn waiting(releases: Vec<Release>, actor: &str) -> Vec<Waiting> {
    let mut seen = BTreeSet::new();
    let once = releases
        .into_iter()
        .filter(|release| seen.insert(release.key.clone()));
    let mut all: Vec<Waiting> = once
        .flat_map(|release| {
            let holds = release.holds.clone();
            holds.into_iter().map(move |hold| Waiting {
                mine: release
                    .pilot
                    .as_deref()
                    .is_some_and(|pilot| pilot.eq_ignore_ascii_case(actor)),
                place: place(&release, &hold),
                release: release.clone(),
                hold,
            })
        })
        .collect();
    all.sort_by_key(|it| (!it.mine, urgency(&it.hold.hold), it.release.updated_at));
    all.truncate(WAITING);
    all
}

/// Releases that need somebody: the visitor's own, those that are stopped, those that wait for a decision.
async fn needing(visit: &Visit) -> Result<Vec<Release>, Stop> {
    let lists = [
        "pilot=me&attention=WAITING,STOPPED",
        "attention=STOPPED",
        "attention=WAITING",
    ];
    let path = |narrowed| format!("/releases?{narrowed}&open=true&sort=priority&limit={EACH}");
    let found: Vec<List<Release>> = visit.look_each(lists.into_iter().map(path)).await?;
    Ok(found.into_iter().flat_map(|page| page.items).collect())
}

/// The next dates: the kickoff of what is planned, the target date of what is on its way.
fn dates(planned: Vec<Release>, targeted: Vec<Release>) -> Vec<Upcoming> {
    let kickoffs = planned.into_iter().map(|release| Upcoming {
        at: release.kickoff_at,
        kickoff: true,
        release,
    });
    // What is planned kicks off before it ships.
    let begun = targeted
        .into_iter()
        .filter(|release| release.phase != "NOT_STARTED");
    let targets = begun.filter_map(|release| {
        Some(Upcoming {
            at: release.target_date?,
            kickoff: false,
            release,
        })
    });
    let mut all: Vec<Upcoming> = kickoffs.chain(targets).collect();
    all.sort_by_key(|it| it.at);
    all.truncate(DATES);
    all
}

/// The visitor's own releases, those that are late, those that kick off next, and those that shall be out next.
async fn lists(visit: &Visit) -> Result<[Vec<Release>; 4], Stop> {
    let paths = [
        format!("/releases?pilot=me&open=true&sort=priority&limit={MINE}"),
        format!("/releases?due=LATE&sort=targetDate&limit={DATES}"),
        format!("/releases?status=PLANNING&sort=kickoffAt&limit={DATES}"),
        format!("/releases?due=UPCOMING&sort=targetDate&limit={DATES}"),
    ];
    let found: Vec<List<Release>> = visit.look_each(paths).await?;
    let mut found = found.into_iter().map(|page| page.items);
    let mut next = || found.next().unwrap_or_default();
    Ok([next(), next(), next(), next()])
}

/// The stages with their numbers, and the releases that are shown of each.
fn stages(stats: &Stats, releases: Vec<Release>) -> Vec<Stage> {
    let mut stages: Vec<Stage> = STAGES
        .iter()
        .map(|(word, name)| Stage {
            name,
            count: stats.of(word),
            releases: Vec::new(),
        })
        .collect();
    for release in releases {
        let name = stage_of(&release.phase);
        if let Some(stage) = stages.iter_mut().find(|stage| stage.name == name) {
            stage.releases.push(release);
        }
    }
    stages
}

/// The first page.
pub(super) async fn show(visit: Visit) -> Paged {
    let narrowed = Narrowed::default();
    let shown = future::try_join(
        future::try_join4(
            visit.look::<Stats>("/dashboard/stats"),
            under_way(&visit, CARDS, &narrowed),
            visit.look::<List<Activity>>("/activities?limit=15"),
            needing(&visit),
        ),
        future::try_join(visit.look::<Delivery>("/dashboard/delivery"), lists(&visit)),
    );
    let (frame, (first, second)) = visit.with_frame("dashboard", shown).await?;
    let (stats, columns, recent, needing) = first;
    let (delivery, [mine, late, planned, targeted]) = second;
    let waiting = waiting(needing, visit.who.actor());
    let releases = columns.into_iter().flat_map(|column| column.releases).collect();
    let template = Dashboard {
        waiting,
        needed: stats.waiting.plus(stats.stopped),
        stages: stages(&stats, releases),
        shipping: stats.of("DISTRIBUTION"),
        mine,
        late,
        upcoming: dates(planned, targeted),
        ages: Ages::of(&delivery, frame.now),
        delivery,
        stats,
        recent: recent.items,
        frame,
    };
    Ok(page(StatusCode::OK, &template))
}
