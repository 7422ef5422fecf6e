//! The page of a release: where it stands, what stops it, and what can be done about it.

use super::controls::{
    Control, Gate, Hand, HoldRow, gate, hold_row, progress, release_controls, rollout_controls,
    submission_controls, task_controls,
};
use super::cycles::{CycleRow, cycle_rows};
use super::made_by::{MadeBy, made_by};
use super::timeline::{Timeline, timeline};
use super::users_read::{self, AllSpoken, Read};
use crate::api::Call;
use crate::frame::{Frame, go, page};
use crate::model::{Activity, Distribution, Lane, List, Release, Rollout, Submission, Task, Ticket};
use crate::shown::{brief, percent, tone};
use crate::visit::{Paged, Stop, Visit};
use crate::when::span;
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::{DateTime, Utc};
use delivr_app::usecases::access::Role;
use futures_util::future;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// One of the four stages.
pub(crate) struct StageRow {
    pub(crate) word: &'static str,
    /// `done`, `current` or `next`.
    pub(crate) state: &'static str,
    /// The sign in front of it.
    pub(crate) mark: &'static str,
    /// One of its tasks failed.
    pub(crate) failed: bool,
    /// Whether it is shown in full at first.
    pub(crate) open: bool,
    /// Its tasks, those of the newest cycle first.
    pub(crate) groups: Vec<TaskGroup>,
    /// Tasks that are over, and all of them.
    pub(crate) over: usize,
    pub(crate) all: usize,
}

/// Tasks of one regression cycle, or of a stage that has none.
pub(crate) struct TaskGroup {
    pub(crate) cycle: Option<u16>,
    /// Whether it is shown in full at first.
    pub(crate) open: bool,
    pub(crate) lanes: Vec<TaskLane>,
}

/// Tasks of one target, or of the whole release.
pub(crate) struct TaskLane {
    pub(crate) target: Option<String>,
    pub(crate) tasks: Vec<TaskRow>,
}

/// A task with what can be done about it.
pub(crate) struct TaskRow {
    pub(crate) task: Task,
    /// The sign in front of it.
    pub(crate) mark: &'static str,
    /// Its state is said in words too: somebody should know.
    pub(crate) loud: bool,
    /// How long it took, or has taken so far.
    pub(crate) took: String,
    /// The hold of what it waits for in a store.
    pub(crate) stopped: Option<String>,
    pub(crate) controls: Vec<Control>,
}

/// The sign of a task's state.
fn mark(status: &str) -> &'static str {
    match status {
        "SKIPPED" | "CANCELLED" => "skip",
        other => tone(other),
    }
}

/// A target in its store.
pub(crate) struct StoreLane {
    pub(crate) target: String,
    pub(crate) status: String,
    /// The hold that it stands still by.
    pub(crate) stopped: Option<String>,
    pub(crate) submissions: Vec<(Submission, Vec<Control>)>,
    pub(crate) rollout: Option<(Rollout, Bar, Vec<Control>)>,
}

/// A rollout's steps as a drawing.
pub(crate) struct Bar {
    /// Share of users, in percent.
    pub(crate) filled: u16,
    pub(crate) share: String,
    pub(crate) steps: Vec<Step>,
}

/// A step of a rollout.
pub(crate) struct Step {
    /// Where it stands, in percent.
    pub(crate) x: u16,
    pub(crate) label: String,
    pub(crate) reached: bool,
}

#[derive(Template)]
#[template(path = "release.html")]
struct Page {
    frame: Frame,
    release: Release,
    controls: Vec<Control>,
    holds: Vec<HoldRow>,
    gate: Option<Gate>,
    stages: Vec<StageRow>,
    timeline: Option<Timeline>,
    /// The newest first.
    cycles: Vec<CycleRow>,
    distribution: String,
    lanes: Vec<StoreLane>,
    feed: Vec<Activity>,
    member: bool,
    /// It is at its end.
    over: bool,
    made_by: Option<MadeBy>,
    /// What users will read in each store, while that can change.
    reads: Vec<Read>,
    /// The version is soon handed to its stores: it is time to write notes.
    notes_near: bool,
}

const STAGES: &[&str] = &["KICKOFF", "REGRESSION", "PRE_RELEASE", "DISTRIBUTION"];

/// Tasks in lanes side by side: those of the whole release first, then a lane for each target.
fn task_lanes(hand: &Hand<'_>, tasks: Vec<Task>, now: DateTime<Utc>) -> Vec<TaskLane> {
    let mut lanes: Vec<TaskLane> = Vec::new();
    for task in tasks {
        let row = TaskRow {
            controls: task_controls(hand, &task),
            mark: mark(&task.status),
            stopped: None,
            loud: matches!(task.status.as_str(), "FAILED" | "AWAITING_MANUAL" | "SKIPPED"),
            took: task
                .started_at
                .map(|from| span(task.ended_at.unwrap_or(now) - from))
                .unwrap_or_default(),
            task,
        };
        match lanes.iter_mut().find(|lane| lane.target == row.task.target) {
            Some(lane) => lane.tasks.push(row),
            None => lanes.push(TaskLane {
                target: row.task.target.clone(),
                tasks: vec![row],
            }),
        }
    }
    lanes.sort_by(|one, other| one.target.cmp(&other.target));
    lanes
}

fn over_word(status: &str) -> bool {
    matches!(status, "COMPLETED" | "SKIPPED" | "CANCELLED")
}

fn stages(hand: &Hand<'_>, release: &mut Release, now: DateTime<Utc>) -> Vec<StageRow> {
    let mut tasks = std::mem::take(&mut release.tasks);
    let (behind, inside) = progress(&release.phase);
    let words = STAGES.iter().copied().enumerate();
    let clean_up = tasks
        .iter()
        .any(|task| task.stage == "CLEAN_UP")
        .then_some((4, "CLEAN_UP"));
    words
        .chain(clean_up)
        .map(|(at, word)| {
            let (mine, others): (Vec<Task>, Vec<Task>) = std::mem::take(&mut tasks)
                .into_iter()
                .partition(|task| task.stage == word);
            tasks = others;
            let over = |task: &&Task| over_word(&task.status);
            let (over, all) = (mine.iter().filter(over).count(), mine.len());
            let failed = mine.iter().any(|task| task.status == "FAILED");
            let mut cycles: Vec<Option<u16>> = mine.iter().map(|task| task.cycle).collect();
            cycles.sort_unstable();
            cycles.dedup();
            let mut mine = mine;
            let newest = cycles.last().copied();
            let groups = cycles
                .into_iter()
                .rev()
                .map(|cycle| {
                    let (these, rest): (Vec<Task>, Vec<Task>) = std::mem::take(&mut mine)
                        .into_iter()
                        .partition(|task| task.cycle == cycle);
                    mine = rest;
                    let under_way = these.iter().any(|task| !over_word(&task.status));
                    TaskGroup {
                        cycle,
                        open: under_way && Some(cycle) == newest,
                        lanes: task_lanes(hand, these, now),
                    }
                })
                .collect();
            let state = match at {
                _ if word == "CLEAN_UP" => "current",
                at if at < behind => "done",
                at if at == behind && inside => "current",
                _ => "next",
            };
            StageRow {
                word,
                state,
                mark: match state {
                    _ if failed => "bad",
                    "done" => "good",
                    "current" if at == behind && all > 0 && over == all => "good",
                    "current" => "busy",
                    _ => "plain",
                },
                failed,
                open: failed || state == "current",
                groups,
                over,
                all,
            }
        })
        .collect()
}

fn bar(rollout: &Rollout) -> Bar {
    let mut steps = rollout.steps.clone();
    if !steps.contains(&rollout.final_exposure) {
        steps.push(rollout.final_exposure);
    }
    Bar {
        filled: rollout.exposure.min(10_000) / 100,
        share: percent(rollout.exposure),
        steps: steps
            .into_iter()
            .map(|step| Step {
                x: step.min(10_000) / 100,
                label: percent(step),
                reached: step <= rollout.exposure,
            })
            .collect(),
    }
}

fn store_lane(hand: &Hand<'_>, lane: Lane, stopped: Option<String>) -> StoreLane {
    let target = lane.target.clone();
    let last = lane.submissions.len().saturating_sub(1);
    let submissions = lane.submissions.into_iter().enumerate().map(|(at, it)| {
        // Only the last try is in force.
        let controls = if at == last {
            submission_controls(hand, &it)
        } else {
            Vec::new()
        };
        (it, controls)
    });
    StoreLane {
        target: lane.target,
        status: lane.status,
        stopped,
        submissions: submissions.rev().collect(),
        rollout: lane.rollout.map(|it| {
            let controls = rollout_controls(hand, &it, &target);
            (it.clone(), bar(&it), controls)
        }),
    }
}

/// The hold by which a target stands still in its store.
fn stopped(holds: &[HoldRow], target: &str) -> Option<String> {
    let of_target = |row: &&HoldRow| row.hold.target.as_deref() == Some(target);
    holds.iter().find(of_target).map(|row| row.hold.hold.clone())
}

/// Shows at tasks and stage what stands still in a store: the task itself only waits for it.
fn note_stops(stages: &mut [StageRow], holds: &[HoldRow]) {
    for stage in stages {
        let groups = stage.groups.iter_mut();
        for row in groups
            .flat_map(|group| &mut group.lanes)
            .flat_map(|lane| &mut lane.tasks)
        {
            // A task that waits for its submission or rollout runs, as far as the release is concerned.
            let waits = row.task.kind == "SUBMIT_TO_STORE" && row.task.status == "RUNNING";
            let target = row.task.target.as_deref().filter(|_| waits);
            row.stopped = target.and_then(|target| stopped(holds, target));
            if let Some(stop) = &row.stopped {
                row.mark = tone(stop);
                if row.mark == "bad" {
                    stage.failed = true;
                    stage.mark = "bad";
                }
            }
        }
    }
}

/// Events that the page tells; every single step of a task is in the task.
///
/// What happened to a submission or rollout says whose it is; of its tasks only what went wrong is told.
fn told_feed(mut feed: Vec<Activity>, lanes: &[Lane]) -> Vec<Activity> {
    let is_step = |it: &Activity| {
        it.summary
            .rsplit_once(": step ")
            .is_some_and(|(_, rest)| rest.ends_with(" done"))
    };
    let is_routine = |it: &Activity| {
        let ends = [" planned", " started", " completed", " cancelled"];
        it.of != "RELEASE" && ends.iter().any(|end| it.summary.ends_with(end))
    };
    feed.retain(|it| !is_step(it) && !is_routine(it));
    // A release hears again how a target stands whenever something is asked of its store: once is enough.
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    feed.reverse();
    feed.retain(|it| {
        let target = it.summary.split(' ').next().unwrap_or_default().to_owned();
        it.kind != "SHIPMENT_CHANGED"
            || known.insert(target, it.summary.clone()).as_ref() != Some(&it.summary)
    });
    feed.reverse();
    feed.truncate(TOLD);
    for item in &mut feed {
        let of = |lane: &&Lane| {
            let mine = |id: &String| *id == item.owner_id;
            let rollout = lane.rollout.as_ref().map(|it| &it.id);
            lane.submissions.iter().map(|it| &it.id).any(mine) || rollout.is_some_and(mine)
        };
        if let Some(lane) = lanes.iter().find(of) {
            item.summary = format!("{}: {}", brief(&lane.target), item.summary);
        }
    }
    feed
}

/// Events on the page.
const TOLD: usize = 20;

/// Puts the page together from what the API answers.
fn composed(
    frame: Frame,
    (role, person): (Role, bool),
    mut release: Release,
    stores: Distribution,
    feed: Vec<Activity>,
) -> Page {
    let name = release.key.clone();
    let hand = Hand {
        key: &name,
        role,
        person,
    };
    let now: DateTime<Utc> = frame.now;
    let controls = release_controls(&hand, &release, &stores.targets);
    let gate = gate(&hand, &release);
    let mut stages = stages(&hand, &mut release, now);
    let holds: Vec<HoldRow> = std::mem::take(&mut release.holds)
        .into_iter()
        .map(|hold| hold_row(&hand, hold, gate.as_ref(), &stores.targets))
        .collect();
    note_stops(&mut stages, &holds);
    let feed = told_feed(feed, &stores.targets);
    Page {
        controls,
        gate,
        stages,
        timeline: timeline(&release, now),
        cycles: cycle_rows(&release.cycles, now),
        over: super::controls::is_over(&release.phase),
        distribution: stores.status,
        lanes: stores
            .targets
            .into_iter()
            .map(|lane| {
                let stopped = stopped(&holds, &lane.target);
                store_lane(&hand, lane, stopped)
            })
            .collect(),
        holds,
        feed,
        member: role >= Role::Member,
        reads: Vec::new(),
        notes_near: matches!(
            release.phase.as_str(),
            "AWAITING_PRE_RELEASE" | "PRE_RELEASE" | "AWAITING_DISTRIBUTION" | "DISTRIBUTION"
        ),
        release,
        frame,
        made_by: None,
    }
}

/// What users will read; nothing where the release ships to no store, or is over.
async fn reads(visit: &Visit, release: &Release) -> Result<Vec<Read>, Stop> {
    if !release.has_store() || super::controls::is_over(&release.phase) {
        return Ok(Vec::new());
    }
    let path = format!("/releases/{}/store-notes?ask=false", release.key);
    let found: AllSpoken = visit.look(path).await?;
    Ok(found.items.iter().map(users_read::read).collect())
}

/// The page.
pub(super) async fn show(visit: Visit) -> Paged {
    let key = visit.segment("key")?;
    let parts = "tasks,cycles,builds,slots,approvals,blockers";
    let release = async {
        let release: Release = visit.look(format!("/releases/{key}?include={parts}")).await?;
        let made_by = made_by(&visit, &release).await;
        Ok((release, made_by))
    };
    let shown = future::try_join3(
        release,
        visit.look::<Distribution>(format!("/releases/{key}/distribution")),
        visit.look::<List<Activity>>(format!("/activities?release={key}&limit=120")),
    );
    let (frame, ((release, made_by), stores, feed)) = visit.with_frame("releases", shown).await?;
    let who = (visit.who.role, visit.who.person.is_some());
    let reads = reads(&visit, &release).await?;
    let template = Page {
        made_by,
        reads,
        ..composed(frame, who, release, stores, feed.items)
    };
    Ok(page(StatusCode::OK, &template))
}

/// A ticket for the live stream, for the script of the page.
pub(super) async fn live(visit: Visit, body: web::Bytes) -> Paged {
    visit.form(&body)?;
    let key = visit.segment("key")?;
    let call = Call {
        body: None,
        ..Call::post(format!("/releases/{key}/events/ticket"), Value::Null)
    };
    let ticket: Ticket = visit.ask(call).await?;
    Ok(HttpResponse::Ok()
        .insert_header(("cache-control", "no-store"))
        .json(json!({"url": ticket.url})))
}

/// Reads the facts of the next gate again from their vendors.
pub(super) async fn check(visit: Visit, body: web::Bytes) -> Result<HttpResponse, Stop> {
    visit.form(&body)?;
    let key = visit.segment("key")?;
    let back = format!("/releases/{key}");
    let path = format!("/releases/{key}/blockers");
    let reply = visit.api.call(&visit.who, Call::get(path)).await;
    if !reply.status.is_success() {
        return Err(visit.refuse_from(reply, &back));
    }
    Ok(go(&format!("{back}?done=checked#blockers")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Theme;

    /// A release that ships: one rollout under way, one submission rejected.
    fn shown(role: Role, rollout: &str) -> String {
        let at = "2026-03-04T05:06:07Z";
        let release = json!({
            "key": "REL-7", "version": "1.2.0", "status": "READY_PRODUCTION", "phase": "DISTRIBUTION",
            "type": "MINOR", "title": "Spring", "priority": "MEDIUM", "serviceSlug": "shop", "baseBranch": "main",
            "kickoffAt": at, "createdAt": at, "updatedAt": at, "holds": [],
            "targets": [{"target": "ANDROID_PLAY_STORE", "version": "1.2.0"}],
            "orchestration": {"underWay": 1},
        });
        let submission = |id: &str, attempt: u16, status: &str| {
            json!({
                "id": id, "attempt": attempt, "version": "1.2.0", "buildNumber": "42", "status": status,
                "storeWord": "REJECTED", "explanation": "Guideline <2.1>", "submit": "AUTO", "submitAsked": true,
                "releaseAsked": false, "tasks": [], "updatedAt": at,
            })
        };
        let stores = json!({"status": "PARTIALLY_LIVE", "targets": [
            {
                "target": "ANDROID_PLAY_STORE", "status": "LIVE",
                "submissions": [submission("s1", 1, "LIVE")],
                "rollout": {
                    "id": "r1", "status": rollout, "exposure": 500, "finalExposure": 10_000, "steps": [100, 500, 2_000],
                    "stepMinutes": null, "stepAt": at, "drift": null, "storeWord": "inProgress",
                    "tasks": [{"type": "SET_EXPOSURE", "status": "FAILED", "detail": "the quota is used up"}],
                    "updatedAt": at,
                },
            },
            {
                "target": "IOS_APP_STORE", "status": "REJECTED", "rollout": null,
                "submissions": [submission("s2", 1, "REJECTED"), submission("s3", 2, "REJECTED")],
            },
        ]});
        let frame = Frame::bare(Theme::System, at.parse().unwrap());
        let release = serde_json::from_value(release).unwrap();
        let stores = serde_json::from_value(stores).unwrap();
        let page = composed(frame, (role, true), release, stores, Vec::new());
        page.render().unwrap()
    }

    #[test]
    fn a_rollout_shows_its_steps_and_what_can_be_done() {
        let page = shown(Role::Member, "ACTIVE");
        assert!(page.contains("<strong>5 %</strong> of users"), "{page}");
        assert!(
            page.contains("class=\"fill\" x=\"0\" y=\"8\" width=\"5%\""),
            "{page}"
        );
        for step in ["1 %", "5 %", "20 %", "100 %"] {
            assert!(page.contains(&format!(">{step}")), "{step}: {page}");
        }
        for (verb, of) in [
            ("advance", "r1"),
            ("pause-rollout", "r1"),
            ("halt", "r1"),
            ("finish", "r1"),
            ("retry-rollout", "r1"),
            ("resubmit", "s3"),
        ] {
            assert!(
                page.contains(&format!("/releases/REL-7/do/{verb}?of={of}\"")),
                "{verb}: {page}"
            );
        }
        // A spent try is history.
        assert!(!page.contains("?of=s2"), "{page}");
        // The store's and the vendor's own words, as texts.
        assert!(
            page.contains("Guideline &#60;2.1&#62;") && page.contains("the quota is used up"),
            "{page}"
        );
    }

    #[test]
    fn who_comes_near_the_stores_without_notes_is_warned_and_sees_what_users_will_read() {
        let at = "2026-03-04T05:06:07Z";
        let page = |phase: &str| {
            let release = json!({
                "key": "REL-7", "version": "1.2.0", "status": "PLANNING", "phase": phase,
                "type": "MINOR", "title": "Spring", "priority": "MEDIUM", "serviceSlug": "shop", "baseBranch": "main",
                "kickoffAt": at, "createdAt": at, "updatedAt": at, "holds": [], "orchestration": {"underWay": 0},
                "targets": [{"target": "ANDROID_PLAY_STORE", "version": "1.2.0"}],
            });
            let spoken = json!({
                "target": "ANDROID_PLAY_STORE", "profile": null,
                "warning": "nobody wrote notes: users would read the changelog",
                "readings": [{"language": "default", "source": "CHANGELOG", "text": "- <b>one</b>\n- two"}],
            });
            let frame = Frame::bare(Theme::System, at.parse().unwrap());
            let stores = serde_json::from_value(json!({"status": "PENDING", "targets": []})).unwrap();
            let release = serde_json::from_value(release).unwrap();
            let mut page = composed(frame, (Role::Member, true), release, stores, Vec::new());
            page.reads = vec![users_read::read(&serde_json::from_value(spoken).unwrap())];
            page.render().unwrap()
        };
        let near = page("AWAITING_PRE_RELEASE");
        assert!(
            near.contains("Nobody wrote notes: users would read the changelog")
                && near.contains("<a href=\"/releases/REL-7/store-notes#ANDROID_PLAY_STORE\">Write them</a>"),
            "{near}"
        );
        assert!(
            near.contains("(the changelog, since nobody wrote notes)") && near.contains("- &#60;b&#62;one"),
            "{near}"
        );
        let early = page("REGRESSION");
        assert!(
            !early.contains("Write them") && early.contains("- two"),
            "{early}"
        );
    }

    #[test]
    fn what_can_be_done_follows_from_where_the_rollout_stands() {
        let halted = shown(Role::Member, "HALTED");
        assert!(halted.contains("/do/resume-rollout?of=r1") && halted.contains("/do/close-rolled-back"));
        assert!(!halted.contains("/do/halt") && !halted.contains("/do/advance"));
        let paused = shown(Role::Member, "PAUSED");
        assert!(paused.contains("/do/resume-rollout?of=r1") && paused.contains("/do/halt?of=r1"));
        let completed = shown(Role::Member, "COMPLETED");
        assert!(!completed.contains("/do/halt") && !completed.contains("/do/resume-rollout"));
        let viewer = shown(Role::Viewer, "ACTIVE");
        assert!(!viewer.contains("/do/") && viewer.contains("This needs the role MEMBER"));
    }
}
