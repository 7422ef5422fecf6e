//! What can be done about a release and its parts, by whom, and why it cannot.

use super::amend;
use crate::model::{Blocker, Hold, Lane, Release, Rollout, Submission, Task};
use crate::verb::Verb;
use delivr_app::usecases::access::Role;

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
    /// How it is lifted, as a sentence.
    pub(crate) lifted: String,
    pub(crate) controls: Vec<Control>,
}

/// How a hold is lifted; in the API's own words where there are no better ones.
pub(super) fn lifted(hold: &Hold) -> String {
    let known = match hold.hold.as_str() {
        "USER_PAUSED" => "Any member can resume it.",
        "BLOCKED" => "Any member can lift the block once its reason is gone.",
        "TASK_FAILED" => "Retry it when the cause is gone, complete it by hand, or leave it out.",
        "AWAITING_APPROVAL" => "Approvals where the plan asks for them; then any member starts the stage.",
        "AWAITING_CYCLE" => "Start a regression cycle now, or plan a slot for one.",
        "DRIFT" => "Put it right at the vendor, then clear it here and say what was done.",
        _ => "",
    };
    if known.is_empty() {
        format!("Lifted by: {}.", hold.lifted_by)
    } else {
        known.to_owned()
    }
}

/// The gate in front of the next stage.
pub(crate) struct Gate {
    pub(crate) stage: &'static str,
    /// The release stands in front of it.
    pub(crate) reached: bool,
    pub(crate) blockers: Vec<Blocker>,
    pub(crate) controls: Vec<Control>,
}

pub(crate) fn is_over(phase: &str) -> bool {
    matches!(phase, "COMPLETED" | "ROLLED_BACK" | "ARCHIVED")
}

/// How many stages are behind a release, and whether it is inside the next one.
pub(crate) fn progress(phase: &str) -> (usize, bool) {
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
    let mut controls: Vec<Control> = words
        .into_iter()
        .filter_map(|word| hand.control(word, &task.id))
        .collect();
    if amend::waits(task) {
        controls.insert(
            0,
            amend::link(hand, "Hand in its build", format!("builds/new?task={}", task.id)),
        );
    }
    controls
}

pub(crate) fn hold_row(hand: &Hand<'_>, hold: Hold) -> HoldRow {
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
    let mut controls = hand.controls(wanted);
    if hold.hold == "AWAITING_CYCLE" {
        controls.push(amend::link(hand, "Plan a cycle", "slots"));
    }
    let place = hold
        .task_id
        .as_ref()
        .map(|task| format!("/releases/{}/tasks/{task}", hand.key));
    HoldRow {
        lifted: lifted(&hold),
        hold,
        place,
        controls,
    }
}

pub(crate) fn gate(hand: &Hand<'_>, release: &Release) -> Option<Gate> {
    let stage = next_gate(&release.phase)?;
    let reached = release.phase.starts_with("AWAITING_");
    let mut controls = hand.controls(&[("approve", stage), ("reject", stage)]);
    let kept_by = |code: &str| release.blockers.iter().any(|it| it.code == code);
    if (kept_by("verdict_unknown") || kept_by("verdict_failed"))
        && let Some(cycle) = release.cycles.last()
    {
        let part = format!("cycles/{}/verdict", cycle.number);
        controls.insert(0, amend::link(hand, "Record the cycle's verdict", part));
    }
    if kept_by("build_missing") && amend::takes_build(release) {
        controls.insert(0, amend::link(hand, "Hand in a build", "builds/new"));
    }
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
pub(crate) fn release_controls(hand: &Hand<'_>, release: &Release, lanes: &[Lane]) -> Vec<Control> {
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
    let mut controls: Vec<Control> = words
        .into_iter()
        .filter_map(|word| hand.control(word, ""))
        .collect();
    controls.insert(
        controls.len().saturating_sub(1),
        amend::link(hand, "Edit", "edit"),
    );
    controls
}

pub(crate) fn submission_controls(hand: &Hand<'_>, it: &Submission) -> Vec<Control> {
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

pub(crate) fn rollout_controls(hand: &Hand<'_>, it: &Rollout) -> Vec<Control> {
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
