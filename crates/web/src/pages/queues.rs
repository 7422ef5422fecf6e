//! Queues: what the visitor pilots, what is ready to go on, what is blocked.

use super::board::{Column, Narrowed, under_way};
use crate::frame::{Frame, page};
use crate::model::{Hold, Release};
use crate::visit::{Paged, Visit};
use actix_web::http::StatusCode;
use askama::Template;
use chrono::{DateTime, Utc};

/// Releases of a status that are looked at.
const LOOKED_AT: usize = 100;
/// Releases of a queue that are shown; what is behind them comes up when they have moved on.
const SHOWN: usize = 40;

/// Releases that wait for the same thing.
pub(crate) struct Queue {
    /// Its place on the page.
    pub(crate) id: &'static str,
    pub(crate) title: &'static str,
    /// What is to be done with it.
    pub(crate) means: &'static str,
    /// What is said when there is none.
    pub(crate) none: &'static str,
    pub(crate) releases: Vec<Release>,
    /// So many are in it.
    pub(crate) count: usize,
}

#[derive(Template)]
#[template(path = "queues.html")]
struct Queues {
    frame: Frame,
    queues: Vec<Queue>,
    /// Some status has more releases than were looked at.
    more: bool,
}

/// Which holds are a person's to end; a gate that waits is no block.
fn stops(hold: &Hold) -> bool {
    !matches!(hold.hold.as_str(), "AWAITING_APPROVAL" | "AWAITING_CYCLE")
}

fn priority(word: &str) -> u8 {
    match word {
        "CRITICAL" => 0,
        "HIGH" => 1,
        "MEDIUM" => 2,
        _ => 3,
    }
}

/// The critical ones first, then those that have waited the longest.
fn order(release: &Release) -> (u8, DateTime<Utc>) {
    (priority(&release.priority), release.updated_at)
}

fn queue(
    (id, title): (&'static str, &'static str),
    (means, none): (&'static str, &'static str),
    releases: &[Release],
    fits: impl Fn(&Release) -> bool,
) -> Queue {
    let mut found: Vec<&Release> = releases.iter().filter(|release| fits(release)).collect();
    found.sort_by_key(|release| order(release));
    Queue {
        id,
        title,
        means,
        none,
        count: found.len(),
        releases: found.into_iter().take(SHOWN).cloned().collect(),
    }
}

fn queues(columns: Vec<Column>, actor: &str) -> Vec<Queue> {
    let releases: Vec<Release> = columns.into_iter().flat_map(|column| column.releases).collect();
    let mine = |it: &Release| {
        it.pilot
            .as_deref()
            .is_some_and(|pilot| pilot.eq_ignore_ascii_case(actor))
    };
    // What is being built or shipped already waits for nobody.
    let decided = |it: &Release| {
        matches!(
            it.phase.as_str(),
            "AWAITING_PRE_RELEASE" | "AWAITING_DISTRIBUTION"
        )
    };
    let stopped = |it: &Release| it.holds.iter().any(stops);
    vec![
        queue(
            ("mine", "My releases"),
            ("You pilot these.", "You pilot no release that is on its way."),
            &releases,
            mine,
        ),
        queue(
            ("staging", "Ready for staging"),
            (
                "Regression can start: the branch and its tickets are there.",
                "Nothing waits for a regression round.",
            ),
            &releases,
            |it| it.status == "READY_STAGING" && !stopped(it),
        ),
        queue(
            ("production", "Ready for production"),
            (
                "Tested; the next step is a decision.",
                "Nothing waits for its way into the stores.",
            ),
            &releases,
            |it| decided(it) && !stopped(it),
        ),
        queue(
            ("blocked", "Blocked"),
            ("Something failed, or somebody stopped it.", "Nothing is blocked."),
            &releases,
            stopped,
        ),
    ]
}

/// The queues.
pub(super) async fn show(visit: Visit) -> Paged {
    let columns = under_way(&visit, LOOKED_AT, &Narrowed::default()).await?;
    let more = columns.iter().any(|column| column.more);
    let template = Queues {
        queues: queues(columns, visit.who.actor()),
        frame: visit.checked_frame("queues").await,
        more,
    };
    Ok(page(StatusCode::OK, &template))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn release(over: &Value) -> Release {
        let mut whole = json!({
            "key": "REL-1", "version": "1.0.0", "status": "PLANNING", "phase": "NOT_STARTED", "type": "MINOR", "title": "x",
            "priority": "MEDIUM", "serviceSlug": "shop", "baseBranch": "main", "kickoffAt": "2026-01-01T00:00:00Z",
            "createdAt": "2026-01-01T00:00:00Z", "updatedAt": "2026-01-01T00:00:00Z", "targets": [], "holds": [],
            "orchestration": {"nextWakeAt": null, "underWay": 0},
        });
        for (name, value) in over.as_object().unwrap() {
            whole[name] = value.clone();
        }
        serde_json::from_value(whole).unwrap()
    }

    fn hold(word: &str) -> Value {
        json!([{"hold": word, "detail": "", "liftedBy": "", "taskId": null, "stage": null}])
    }

    /// Keys of each queue.
    fn of(releases: Vec<Release>) -> Vec<(&'static str, Vec<String>)> {
        let column = Column {
            status: "",
            releases,
            more: false,
        };
        queues(vec![column], "ada@x.example")
            .into_iter()
            .map(|queue| (queue.id, queue.releases.into_iter().map(|it| it.key).collect()))
            .collect()
    }

    #[test]
    fn a_release_is_in_every_queue_that_it_fits() {
        let found = of(vec![
            release(&json!({"key": "A", "pilot": "Ada@X.example"})),
            release(&json!({"key": "B", "status": "READY_STAGING", "holds": hold("AWAITING_CYCLE")})),
            release(
                &json!({"key": "C", "phase": "AWAITING_PRE_RELEASE", "holds": hold("AWAITING_APPROVAL")}),
            ),
            release(&json!({"key": "E", "status": "READY_PRODUCTION", "phase": "DISTRIBUTION"})),
            release(&json!({"key": "D", "status": "READY_PRODUCTION", "holds": hold("TASK_FAILED")})),
        ]);
        let keys = |all: &[&str]| all.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            found,
            [
                ("mine", keys(&["A"])),
                ("staging", keys(&["B"])),
                ("production", keys(&["C"])),
                ("blocked", keys(&["D"])),
            ]
        );
    }

    #[test]
    fn the_critical_and_the_oldest_come_first_and_no_queue_is_endless() {
        let mine = |key: &str, priority: &str, day: u32| {
            release(&json!({
                "key": key, "priority": priority, "pilot": "ada@x.example", "updatedAt": format!("2026-01-{day:02}T00:00:00Z"),
            }))
        };
        let mut all = vec![
            mine("late", "LOW", 1),
            mine("new", "HIGH", 9),
            mine("old", "HIGH", 2),
        ];
        let (_, keys) = of(all.clone()).swap_remove(0);
        assert_eq!(keys, ["old", "new", "late"]);
        all.extend((0..SHOWN).map(|_| mine("more", "CRITICAL", 3)));
        let (_, keys) = of(all).swap_remove(0);
        assert_eq!((keys.len(), keys[0].as_str()), (SHOWN, "more"));
    }
}
