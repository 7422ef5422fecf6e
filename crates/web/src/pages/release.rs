//! The page of a release: where it stands, what stops it, and what can be done about it.

use super::timeline::{Timeline, timeline};
use crate::api::Call;
use crate::frame::{Frame, go, page};
use crate::model::{
    Activity, Blocker, Distribution, Hold, Lane, List, Release, Rollout, Submission, Task, Ticket,
};
use crate::shown::percent;
use crate::verb::Verb;
use crate::visit::{Paged, Stop, Visit};
use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use askama::Template;
use chrono::{DateTime, Utc};
use delivr_app::usecases::access::Role;
use serde_json::{Value, json};

/// Something that can be done, or why it cannot, and who can.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    pub(crate) title: &'static str,
    pub(crate) href: String,
    pub(crate) danger: bool,
    pub(crate) blocked: Option<String>,
}

/// What the visitor may do here.
pub(crate) struct Hand<'a> {
    pub(crate) key: &'a str,
    pub(crate) role: Role,
    /// A person, and no service token.
    pub(crate) person: bool,
}

impl Hand<'_> {
    /// The control of a verb, about `of`.
    pub(crate) fn control(&self, word: &str, of: &str) -> Option<Control> {
        let verb = Verb::named(word)?;
        let needed = if verb.admin { Role::Admin } else { Role::Member };
        let decides = matches!(word, "approve" | "reject");
        let blocked = if self.role < needed {
            Some(format!(
                "This needs the role {needed}; yours is {}. An admin of your organisation can do it, or give you \
                 a token that can.",
                self.role
            ))
        } else if decides && !self.person {
            Some("A service token decides nothing. Somebody with a token of their own can.".to_owned())
        } else {
            None
        };
        let about = if of.is_empty() {
            String::new()
        } else {
            format!("?of={of}")
        };
        Some(Control {
            title: verb.title,
            href: format!("/releases/{}/do/{word}{about}", self.key),
            danger: verb.danger,
            blocked,
        })
    }

    fn controls(&self, wanted: &[(&str, &str)]) -> Vec<Control> {
        wanted
            .iter()
            .filter_map(|(word, of)| self.control(word, of))
            .collect()
    }
}

/// A hold with what lifts it.
pub(crate) struct HoldRow {
    pub(crate) hold: Hold,
    pub(crate) place: Option<String>,
    pub(crate) controls: Vec<Control>,
}

/// The gate in front of the next stage.
pub(crate) struct Gate {
    pub(crate) stage: &'static str,
    /// The release stands in front of it.
    pub(crate) reached: bool,
    pub(crate) blockers: Vec<Blocker>,
    pub(crate) controls: Vec<Control>,
}

/// One of the four stages.
pub(crate) struct StageRow {
    pub(crate) word: &'static str,
    /// `done`, `current` or `next`.
    pub(crate) state: &'static str,
    pub(crate) rounds: Vec<Round>,
    /// Tasks that are over, and all of them.
    pub(crate) over: usize,
    pub(crate) all: usize,
}

/// Tasks of one regression round, or of a stage that has none.
pub(crate) struct Round {
    pub(crate) cycle: Option<u16>,
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
    pub(crate) controls: Vec<Control>,
}

/// A target in its store.
pub(crate) struct StoreLane {
    pub(crate) target: String,
    pub(crate) status: String,
    pub(crate) submissions: Vec<(Submission, Vec<Control>)>,
    pub(crate) rollout: Option<(Rollout, Bar, Vec<Control>)>,
}

/// A rollout's steps as a drawing.
pub(crate) struct Bar {
    /// Share of users, in thousandths.
    pub(crate) filled: u16,
    pub(crate) share: String,
    pub(crate) steps: Vec<Step>,
}

/// A step of a rollout.
pub(crate) struct Step {
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
    distribution: String,
    lanes: Vec<StoreLane>,
    feed: Vec<Activity>,
    member: bool,
}

const STAGES: &[&str] = &["KICKOFF", "REGRESSION", "PRE_RELEASE", "DISTRIBUTION"];

fn is_over(phase: &str) -> bool {
    matches!(phase, "COMPLETED" | "ROLLED_BACK" | "ARCHIVED")
}

/// How many stages are behind a release, and whether it is inside the next one.
fn progress(phase: &str) -> (usize, bool) {
    match phase {
        "KICKOFF" => (0, true),
        "AWAITING_REGRESSION" => (1, false),
        "REGRESSION" | "REGRESSION_AWAITING_NEXT_CYCLE" => (1, true),
        "AWAITING_PRE_RELEASE" => (2, false),
        "PRE_RELEASE" => (2, true),
        "AWAITING_DISTRIBUTION" => (3, false),
        "DISTRIBUTION" => (3, true),
        "COMPLETED" | "ROLLED_BACK" => (4, false),
        _ => (0, false),
    }
}

/// The stage behind the next gate, as the API names it.
fn next_gate(phase: &str) -> Option<&'static str> {
    match phase {
        "NOT_STARTED" | "KICKOFF" | "AWAITING_REGRESSION" => Some("REGRESSION"),
        "REGRESSION" | "REGRESSION_AWAITING_NEXT_CYCLE" | "AWAITING_PRE_RELEASE" => Some("PRE_RELEASE"),
        "PRE_RELEASE" | "AWAITING_DISTRIBUTION" => Some("DISTRIBUTION"),
        _ => None,
    }
}

/// What can be done about a task.
pub(crate) fn task_controls(hand: &Hand<'_>, task: &Task) -> Vec<Control> {
    let mut words = match task.status.as_str() {
        "FAILED" => vec!["retry", "complete", "skip"],
        "AWAITING_MANUAL" => vec!["complete", "skip"],
        _ => Vec::new(),
    };
    let unknown = task
        .cause
        .as_ref()
        .is_some_and(|cause| cause.outcome == "UNKNOWN");
    if unknown {
        words.push("force");
    }
    words
        .into_iter()
        .filter_map(|word| hand.control(word, &task.id))
        .collect()
}

fn hold_row(hand: &Hand<'_>, hold: Hold) -> HoldRow {
    let task = hold.task_id.as_deref().unwrap_or_default();
    let stage = hold.stage.as_deref().unwrap_or_default();
    let wanted: &[(&str, &str)] = match hold.hold.as_str() {
        "USER_PAUSED" => &[("resume", "")],
        "BLOCKED" => &[("unblock", "")],
        "DRIFT" => &[("clear-drift", "")],
        "AWAITING_CYCLE" => &[("cycle", "")],
        "TASK_FAILED" => &[("retry", task), ("complete", task), ("skip", task)],
        "AWAITING_APPROVAL" if !stage.is_empty() => &[("approve", stage), ("trigger", stage)],
        _ => &[],
    };
    let controls = hand.controls(wanted);
    let place = hold
        .task_id
        .as_ref()
        .map(|task| format!("/releases/{}/tasks/{task}", hand.key));
    HoldRow {
        hold,
        place,
        controls,
    }
}

fn gate(hand: &Hand<'_>, release: &Release) -> Option<Gate> {
    let stage = next_gate(&release.phase)?;
    let reached = release.phase.starts_with("AWAITING_");
    let mut controls = hand.controls(&[("approve", stage), ("reject", stage)]);
    if reached {
        let mut trigger = hand.control("trigger", stage);
        if let Some(trigger) = &mut trigger
            && trigger.blocked.is_none()
            && !release.blockers.is_empty()
        {
            trigger.blocked = Some(format!(
                "{} of the gate's conditions are not met, as far as is known; each says who can clear it.",
                release.blockers.len()
            ));
        }
        let closed = !release.blockers.is_empty();
        controls.extend(trigger);
        controls.extend(closed.then(|| hand.control("override", stage)).flatten());
    }
    Some(Gate {
        stage,
        reached,
        blockers: release.blockers.clone(),
        controls,
    })
}

/// What can be done about the release as a whole.
fn release_controls(hand: &Hand<'_>, release: &Release, lanes: &[Lane]) -> Vec<Control> {
    if is_over(&release.phase) {
        return Vec::new();
    }
    let held = |word: &str| release.holds.iter().any(|it| it.hold == word);
    let mut words = Vec::new();
    if release.phase == "NOT_STARTED" {
        words.push("start");
    }
    if release.phase == "REGRESSION_AWAITING_NEXT_CYCLE" {
        words.push("cycle");
    }
    words.push(if held("USER_PAUSED") { "resume" } else { "pause" });
    words.push(if held("BLOCKED") { "unblock" } else { "block" });
    if progress(&release.phase).0 >= 2 {
        words.push("rework");
    }
    let halted = |lane: &Lane| lane.rollout.as_ref().is_some_and(|it| it.status == "HALTED");
    if lanes.iter().any(halted) {
        words.push("close-rolled-back");
    }
    words.push("archive");
    words
        .into_iter()
        .filter_map(|word| hand.control(word, ""))
        .collect()
}

/// Tasks in lanes side by side: those of the whole release first, then a lane for each target.
fn task_lanes(hand: &Hand<'_>, tasks: Vec<Task>) -> Vec<TaskLane> {
    let mut lanes: Vec<TaskLane> = Vec::new();
    for task in tasks {
        let row = TaskRow {
            controls: task_controls(hand, &task),
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

fn stages(hand: &Hand<'_>, release: &mut Release) -> Vec<StageRow> {
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
            let over = |task: &&Task| matches!(task.status.as_str(), "COMPLETED" | "SKIPPED" | "CANCELLED");
            let (over, all) = (mine.iter().filter(over).count(), mine.len());
            let mut cycles: Vec<Option<u16>> = mine.iter().map(|task| task.cycle).collect();
            cycles.sort_unstable();
            cycles.dedup();
            let mut mine = mine;
            let rounds = cycles
                .into_iter()
                .rev()
                .map(|cycle| {
                    let (these, rest): (Vec<Task>, Vec<Task>) = std::mem::take(&mut mine)
                        .into_iter()
                        .partition(|task| task.cycle == cycle);
                    mine = rest;
                    Round {
                        cycle,
                        lanes: task_lanes(hand, these),
                    }
                })
                .collect();
            StageRow {
                word,
                state: match at {
                    _ if word == "CLEAN_UP" => "current",
                    at if at < behind => "done",
                    at if at == behind && inside => "current",
                    _ => "next",
                },
                rounds,
                over,
                all,
            }
        })
        .collect()
}

fn submission_controls(hand: &Hand<'_>, it: &Submission) -> Vec<Control> {
    let of = it.id.as_str();
    let mut wanted = Vec::new();
    if it.tasks.iter().any(|step| step.status == "FAILED") {
        wanted.push(("retry-submission", of));
    }
    match it.status.as_str() {
        "PREPARING" | "PENDING" if it.submit != "AUTO" && !it.submit_asked => wanted.push(("submit", of)),
        "APPROVED" if !it.release_asked => wanted.push(("release-to-users", of)),
        "REJECTED" | "CANCELLED" => wanted.push(("resubmit", of)),
        _ => {}
    }
    if matches!(it.status.as_str(), "SUBMITTED" | "IN_REVIEW" | "APPROVED") {
        wanted.push(("withdraw", of));
    }
    hand.controls(&wanted)
}

fn rollout_controls(hand: &Hand<'_>, it: &Rollout) -> Vec<Control> {
    let of = it.id.as_str();
    let mut wanted = Vec::new();
    if it.tasks.iter().any(|step| step.status == "FAILED") {
        wanted.push(("retry-rollout", of));
    }
    match it.status.as_str() {
        "ACTIVE" => wanted.extend([
            ("advance", of),
            ("pause-rollout", of),
            ("halt", of),
            ("finish", of),
        ]),
        "PAUSED" => wanted.extend([("resume-rollout", of), ("halt", of)]),
        "HALTED" => wanted.push(("resume-rollout", of)),
        _ => {}
    }
    hand.controls(&wanted)
}

fn bar(rollout: &Rollout) -> Bar {
    let mut steps = rollout.steps.clone();
    if !steps.contains(&rollout.final_exposure) {
        steps.push(rollout.final_exposure);
    }
    Bar {
        filled: rollout.exposure.min(10_000) / 10,
        share: percent(rollout.exposure),
        steps: steps
            .into_iter()
            .map(|step| Step {
                x: step.min(10_000) / 10,
                label: percent(step),
                reached: step <= rollout.exposure,
            })
            .collect(),
    }
}

fn store_lane(hand: &Hand<'_>, lane: Lane) -> StoreLane {
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
        submissions: submissions.rev().collect(),
        rollout: lane.rollout.map(|it| {
            let controls = rollout_controls(hand, &it);
            (it.clone(), bar(&it), controls)
        }),
    }
}

/// The page.
pub(super) async fn show(visit: Visit) -> Paged {
    let key = visit.segment("key")?;
    let parts = "tasks,cycles,builds,slots,approvals,blockers";
    let mut release: Release = visit.look(format!("/releases/{key}?include={parts}")).await?;
    let stores: Distribution = visit.look(format!("/releases/{key}/distribution")).await?;
    let feed: List<Activity> = visit.look(format!("/releases/{key}/activities?limit=50")).await?;
    let name = release.key.clone();
    let hand = Hand {
        key: &name,
        role: visit.who.role,
        person: visit.who.person.is_some(),
    };
    let frame = visit.checked_frame("releases").await;
    let now: DateTime<Utc> = frame.now;
    let held = std::mem::take(&mut release.holds);
    let template = Page {
        controls: {
            release.holds = held.clone();
            release_controls(&hand, &release, &stores.targets)
        },
        holds: held.into_iter().map(|hold| hold_row(&hand, hold)).collect(),
        gate: gate(&hand, &release),
        stages: stages(&hand, &mut release),
        timeline: timeline(&release, now),
        distribution: stores.status,
        lanes: stores
            .targets
            .into_iter()
            .map(|lane| store_lane(&hand, lane))
            .collect(),
        feed: feed.items,
        member: visit.who.role >= Role::Member,
        release,
        frame,
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
