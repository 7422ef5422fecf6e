//! Queues: what the visitor pilots, what is ready to go on, what is blocked.

use crate::frame::{Frame, page};
use crate::model::{List, Release};
use crate::pages::stats::{Count, Stats};
use crate::visit::{Paged, Visit};
use actix_web::http::StatusCode;
use askama::Template;
use chrono::{DateTime, Utc};
use futures_util::future;

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
    pub(crate) count: Count,
    /// The whole of it in the table, where one list is all of it.
    pub(crate) all: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "queues.html")]
struct Queues {
    frame: Frame,
    queues: Vec<Queue>,
    settling: bool,
}

/// What a queue is made of: lists of the API, each in the order of turns.
struct Kind {
    id: &'static str,
    title: &'static str,
    means: &'static str,
    none: &'static str,
    lists: &'static [&'static str],
    count: fn(&Stats) -> Count,
    all: Option<&'static str>,
}

const KINDS: &[Kind] = &[
    Kind {
        id: "mine",
        title: "My releases",
        means: "You pilot these.",
        none: "You pilot no release that is on its way.",
        lists: &["pilot=me&open=true"],
        count: |stats| stats.mine,
        all: Some("/releases?pilot=me&open=true&sort=priority"),
    },
    Kind {
        id: "staging",
        title: "Ready for staging",
        means: "Regression can start: the branch and its tickets are there.",
        none: "Nothing waits for a regression cycle.",
        lists: &["status=READY_STAGING&attention=NONE,WAITING&open=true"],
        count: |stats| stats.ready_for_staging,
        all: Some("/releases?status=READY_STAGING&attention=NONE,WAITING&open=true&sort=priority"),
    },
    Kind {
        id: "production",
        title: "Ready for production",
        means: "Tested; the next step is a decision.",
        none: "Nothing waits for its way into the stores.",
        // What is being built or shipped already waits for nobody.
        lists: &[
            "status=STAGING_VERIFIED&attention=NONE,WAITING&open=true",
            "status=READY_PRODUCTION&phase=AWAITING_DISTRIBUTION&attention=NONE,WAITING&open=true",
        ],
        count: |stats| stats.ready_for_production,
        all: None,
    },
    Kind {
        id: "stores",
        title: "Waiting in a store",
        means: "A version waits there for somebody: to hand it in, release it to users, or raise its rollout.",
        none: "No version waits in a store for anybody.",
        lists: &["phase=DISTRIBUTION&attention=WAITING&open=true"],
        count: |stats| stats.waiting_in_stores,
        all: Some("/releases?phase=DISTRIBUTION&attention=WAITING&open=true&sort=priority"),
    },
    Kind {
        id: "blocked",
        title: "Blocked",
        means: "Something failed, or somebody stopped it.",
        none: "Nothing is blocked.",
        lists: &["attention=STOPPED&open=true"],
        count: |stats| stats.stopped,
        all: Some("/releases?attention=STOPPED&open=true&sort=priority"),
    },
];

fn priority(word: &str) -> u8 {
    match word {
        "CRITICAL" => 0,
        "HIGH" => 1,
        "MEDIUM" => 2,
        _ => 3,
    }
}

/// The critical ones first, then those that have waited the longest: the API's order of turns.
fn order(release: &Release) -> (u8, DateTime<Utc>) {
    (priority(&release.priority), release.updated_at)
}

/// The first of several lists, each of which is in order.
fn first(mut all: Vec<Release>) -> Vec<Release> {
    all.sort_by_key(order);
    all.truncate(SHOWN);
    all
}

/// A queue, made of the next of the lists that were read.
fn queue(kind: &Kind, lists: &mut impl Iterator<Item = List<Release>>, stats: &Stats) -> Queue {
    let found = lists.take(kind.lists.len()).flat_map(|page| page.items);
    Queue {
        id: kind.id,
        title: kind.title,
        means: kind.means,
        none: kind.none,
        releases: first(found.collect()),
        count: (kind.count)(stats),
        all: kind.all,
    }
}

/// The queues.
pub(super) async fn show(visit: Visit) -> Paged {
    let lists = KINDS.iter().flat_map(|kind| kind.lists);
    let path = |list| format!("/releases?{list}&sort=priority&limit={SHOWN}");
    let shown = future::try_join(
        visit.look::<Stats>("/dashboard/stats"),
        visit.look_each(lists.map(path)),
    );
    let (frame, (stats, lists)) = visit.with_frame("queues", shown).await?;
    let mut lists = lists.into_iter();
    let queues = KINDS.iter().map(|kind| queue(kind, &mut lists, &stats));
    let template = Queues {
        frame,
        queues: queues.collect(),
        settling: stats.settling,
    };
    Ok(page(StatusCode::OK, &template))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_critical_and_the_oldest_come_first_and_no_queue_is_endless() {
        let release = |key: &str, priority: &str, day: u32| -> Release {
            serde_json::from_value(json!({
                "key": key, "version": "1.0.0", "status": "PLANNING", "phase": "NOT_STARTED", "type": "MINOR",
                "title": "x", "priority": priority, "serviceSlug": "shop", "baseBranch": "main",
                "kickoffAt": "2026-01-01T00:00:00Z", "createdAt": "2026-01-01T00:00:00Z",
                "updatedAt": format!("2026-01-{day:02}T00:00:00Z"), "targets": [], "holds": [],
                "orchestration": {"nextWakeAt": null, "underWay": 0},
            }))
            .unwrap()
        };
        let keys = |all: Vec<Release>| first(all).into_iter().map(|it| it.key).collect::<Vec<_>>();
        let mut all = vec![
            release("late", "LOW", 1),
            release("new", "HIGH", 9),
            release("old", "HIGH", 2),
        ];
        assert_eq!(keys(all.clone()), ["old", "new", "late"]);
        all.extend((0..SHOWN).map(|_| release("more", "CRITICAL", 3)));
        let found = keys(all);
        assert_eq!((found.len(), found[0].as_str()), (SHOWN, "more"));
    }
}
