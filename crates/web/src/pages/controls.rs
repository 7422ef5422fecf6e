//! What can be done about a release and its parts, by whom, and why it cannot.

use super::amend;
use crate::model::{Blocker, Hold, InTheWay, Lane, Release, Rollout, Submission, Task};
use crate::shown::brief;
use crate::verb::Verb;
use delivr_app::usecases::access::Role;

/// Something that can be done, or why it cannot, and who can.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    pub(crate) title: &'static str,
    pub(crate) href: String,
    pub(crate) danger: bool,
    pub(crate) blocked: Option<String>,
    /// Where what blocks it is dealt with.
    pub(crate) place: Option<String>,
}

impl Control {
    /// The same, which cannot be used for a reason of its own, unless it cannot be used anyway.
    fn kept_back(mut self, why: String, place: &str) -> Self {
        if self.blocked.is_none() {
            self.blocked = Some(why);
            self.place = Some(place.to_owned());
        }
        self
    }
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
        Some(Control {
            title: verb.title,
            href: self.href(word, of),
            danger: verb.danger,
            blocked,
            place: None,
        })
    }

    /// Where a verb is done, about `of`.
    fn href(&self, word: &str, of: &str) -> String {
        let about = if of.is_empty() {
            String::new()
        } else {
            format!("?of={of}")
        };
        format!("/releases/{}/do/{word}{about}", self.key)
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
    /// The release that it waits behind.
    pub(crate) behind: Option<InTheWay>,
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
        "SUBMISSION_FAILED" => {
            "Put right what the store objects to, then any member can try it again, or withdraw it."
        }
        "ROLLOUT_FAILED" => {
            "Put right what the store objects to, then any member can try it again or decide anew."
        }
        "STORE_ACTION_REQUIRED" => {
            "Somebody with access to the store's console acts there; it is noticed here by itself."
        }
        "ROLLOUT_HALTED" => "Any member can resume it, or close the release as rolled back.",
        "ROLLOUT_PAUSED" => "Any member can resume it.",
        "AWAITING_SUBMIT" => "Any member can submit it.",
        "AWAITING_RELEASE_TO_USERS" => "Any member can release it.",
        "AWAITING_ADVANCE" => "Any member can raise it, or stop it.",
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

/// A hold with what lifts it, which is no more than the gate lets through.
pub(crate) fn hold_row(hand: &Hand<'_>, hold: Hold, gate: Option<&Gate>, lanes: &[Lane]) -> HoldRow {
    let submission = hold.submission_id.as_deref().unwrap_or_default();
    let rollout = hold.rollout_id.as_deref().unwrap_or_default();
    let of_target = |lane: &&Lane| Some(lane.target.as_str()) == hold.target.as_deref();
    let lane = lanes.iter().find(of_target);
    let task = hold.task_id.as_deref().unwrap_or_default();
    let stage = hold.stage.as_deref().unwrap_or_default();
    let wanted: &[(&str, &str)] = match hold.hold.as_str() {
        "USER_PAUSED" => &[("resume", "")],
        "BLOCKED" => &[("unblock", "")],
        "DRIFT" => &[("clear-drift", "")],
        "AWAITING_CYCLE" => &[("cycle", "")],
        "SUBMISSION_FAILED" => &[("retry-submission", submission), ("withdraw", submission)],
        "ROLLOUT_FAILED" => &[("retry-rollout", rollout)],
        "ROLLOUT_HALTED" => &[("resume-rollout", rollout), ("close-rolled-back", "")],
        "ROLLOUT_PAUSED" => &[("resume-rollout", rollout)],
        "AWAITING_SUBMIT" => &[("submit", submission)],
        "AWAITING_RELEASE_TO_USERS" => &[("release-to-users", submission)],
        "AWAITING_ADVANCE" => &[("advance", rollout)],
        "TASK_FAILED" => &[("retry", task), ("complete", task), ("skip", task)],
        "AWAITING_APPROVAL" if !stage.is_empty() => &[("approve", stage), ("trigger", stage)],
        _ => &[],
    };
    let mut controls = hand.controls(wanted);
    if hold.hold == "AWAITING_CYCLE" {
        controls.push(amend::link(hand, "Plan a cycle", "slots"));
    }
    for control in &mut controls {
        let same = |it: &&Control| it.href == control.href;
        if let Some(it) = gate.and_then(|gate| gate.controls.iter().find(same)) {
            *control = it.clone();
        } else if control.href == hand.href("close-rolled-back", "")
            && let Some(why) = not_closed(lanes)
        {
            *control = control.clone().kept_back(why, "#distribution");
        }
    }
    let place = hold
        .task_id
        .as_ref()
        .map(|task| format!("/releases/{}/tasks/{task}", hand.key));
    HoldRow {
        lifted: lifted(&hold),
        behind: lane.and_then(|lane| lane.in_the_way.clone()),
        hold,
        place,
        controls,
    }
}

pub(crate) fn gate(hand: &Hand<'_>, release: &Release) -> Option<Gate> {
    let stage = next_gate(&release.phase)?;
    let reached = release.phase.starts_with("AWAITING_");
    let mut controls = hand.controls(&[("approve", stage), ("reject", stage)]);
    if !reached {
        let early = |control: Control| {
            let why = "The release has not come to this gate yet. What approves it is the commit that stands there then.";
            control.kept_back(why.to_owned(), "#path")
        };
        controls = controls.into_iter().map(early).collect();
    }
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
    if lanes.iter().any(is_withheld) {
        words.push("close-rolled-back");
    }
    words.push("archive");
    let mut controls: Vec<Control> = words
        .into_iter()
        .filter_map(|word| hand.control(word, ""))
        .collect();
    let closing = hand.href("close-rolled-back", "");
    if let Some(why) = not_closed(lanes) {
        controls = controls
            .into_iter()
            .map(|it| match it.href == closing {
                true => it.kept_back(why.clone(), "#distribution"),
                false => it,
            })
            .collect();
    }
    controls.insert(
        controls.len().saturating_sub(1),
        amend::link(hand, "Edit", "edit"),
    );
    controls
}

/// Whether a lane's store gives the version to nobody else. The App Store can no more than pause.
fn is_withheld(lane: &Lane) -> bool {
    let status = lane.rollout.as_ref().map(|it| it.status.as_str());
    status == Some("HALTED") || (lane.target == "IOS_APP_STORE" && status == Some("PAUSED"))
}

/// What keeps the release from being closed as rolled back: what still reaches more users. What everybody has does not.
fn not_closed(lanes: &[Lane]) -> Option<String> {
    let moving = lanes.iter().find(|lane| {
        let rollout = lane.rollout.as_ref();
        rollout.is_some_and(|it| it.status != "COMPLETED") && !is_withheld(lane)
    })?;
    Some(match moving.target.as_str() {
        "IOS_APP_STORE" => "More users get iOS each day. The App Store cannot halt: pause its phased release first (any \
                            member can). To keep it from everybody, remove the app from sale in App Store Connect."
            .to_owned(),
        target => format!(
            "Users still get {}: halt its rollout first (any member can).",
            brief(target)
        ),
    })
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

/// What the App Store never does, so that it is not found out by trying.
fn never_there(word: &str) -> Option<&'static str> {
    match word {
        "advance" => Some(
            "Apple raises the phased release itself, over seven days. Give it to everybody to end that early, or pause it.",
        ),
        "halt" => Some(
            "The App Store cannot halt a release. Pause it: who has it keeps it. To keep it from everybody, remove the app \
             from sale in App Store Connect.",
        ),
        _ => None,
    }
}

pub(crate) fn rollout_controls(hand: &Hand<'_>, it: &Rollout, target: &str) -> Vec<Control> {
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
    let with_limits = |(word, of): &(&str, &str)| {
        let control = hand.control(word, of)?;
        Some(match never_there(word).filter(|_| target == "IOS_APP_STORE") {
            Some(why) => Control {
                blocked: Some(why.to_owned()),
                ..control
            },
            None => control,
        })
    };
    wanted.iter().filter_map(with_limits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const AT: &str = "2026-03-04T05:06:07Z";
    const HAND: Hand<'static> = Hand {
        key: "REL-7",
        role: Role::Member,
        person: true,
    };

    fn lane(target: &str, status: &str) -> Lane {
        serde_json::from_value(json!({
            "target": target, "status": "LIVE", "submissions": [],
            "rollout": {
                "id": "r1", "status": status, "exposure": 500, "finalExposure": 10_000, "steps": [100, 500, 2_000],
                "stepMinutes": null, "stepAt": AT, "drift": null, "storeWord": null, "tasks": [], "updatedAt": AT,
            },
        }))
        .unwrap()
    }

    fn release(phase: &str) -> Release {
        serde_json::from_value(json!({
            "key": "REL-7", "version": "1.2.0", "status": "READY_PRODUCTION", "phase": phase, "type": "MINOR",
            "title": "Spring", "priority": "MEDIUM", "serviceSlug": "shop", "baseBranch": "main", "kickoffAt": AT,
            "createdAt": AT, "updatedAt": AT, "holds": [], "targets": [], "orchestration": {"underWay": 0},
            "blockers": [{"detail": "a ticket is open", "clearedBy": "VENDOR"}],
        }))
        .unwrap()
    }

    fn why(controls: &[Control], verb: &str) -> Option<String> {
        let part = format!("/do/{verb}");
        let found = controls
            .iter()
            .find(|it| it.href.split('?').next().unwrap().ends_with(&part));
        found.unwrap_or_else(|| panic!("no {verb}")).blocked.clone()
    }

    #[test]
    fn what_the_app_store_never_does_is_said_before_it_is_tried() {
        let of = |target| {
            let rollout = lane(target, "ACTIVE").rollout.unwrap();
            rollout_controls(&HAND, &rollout, target)
        };
        let ios = of("IOS_APP_STORE");
        assert!(why(&ios, "advance").unwrap().contains("Apple raises"));
        assert!(why(&ios, "halt").unwrap().contains("App Store Connect"));
        for (controls, verb) in [
            (&ios, "pause-rollout"),
            (&ios, "finish"),
            (&of("ANDROID_PLAY_STORE"), "advance"),
            (&of("ANDROID_PLAY_STORE"), "halt"),
        ] {
            assert_eq!(why(controls, verb), None, "{verb}");
        }
        let pace = |target: &str, status| lane(target, status).rollout.unwrap().pace(target);
        assert!(pace("IOS_APP_STORE", "ACTIVE").contains("Apple"));
        assert!(pace("ANDROID_PLAY_STORE", "ACTIVE").contains("a person"));
        assert_eq!(pace("IOS_APP_STORE", "COMPLETED"), "");
    }

    #[test]
    fn a_release_is_closed_once_nothing_reaches_more_users() {
        let closing = |ios: &str| {
            let lanes = [lane("ANDROID_PLAY_STORE", "HALTED"), lane("IOS_APP_STORE", ios)];
            why(
                &release_controls(&HAND, &release("DISTRIBUTION"), &lanes),
                "close-rolled-back",
            )
        };
        assert_eq!(closing("COMPLETED"), None);
        assert_eq!(closing("PAUSED"), None);
        assert!(
            closing("ACTIVE")
                .unwrap()
                .contains("pause its phased release first")
        );
        let lanes = [
            lane("ANDROID_PLAY_STORE", "ACTIVE"),
            lane("IOS_APP_STORE", "PAUSED"),
        ];
        let controls = release_controls(&HAND, &release("DISTRIBUTION"), &lanes);
        let why = why(&controls, "close-rolled-back").unwrap();
        assert!(why.contains("Android: halt its rollout first"), "{why}");
    }

    #[test]
    fn a_gate_is_decided_about_where_the_release_stands_and_opens_the_same_everywhere() {
        let early = gate(&HAND, &release("KICKOFF")).unwrap();
        for verb in ["approve", "reject"] {
            let why = why(&early.controls, verb).unwrap();
            assert!(why.contains("has not come to this gate"), "{why}");
        }
        let reached = gate(&HAND, &release("AWAITING_DISTRIBUTION")).unwrap();
        assert_eq!(why(&reached.controls, "approve"), None);
        let hold = json!({
            "hold": "AWAITING_APPROVAL", "detail": "x", "liftedBy": "x", "stage": "DISTRIBUTION",
        });
        let hold = serde_json::from_value(hold).unwrap();
        let row = hold_row(&HAND, hold, Some(&reached), &[]);
        let said = why(&row.controls, "trigger").unwrap();
        assert_eq!(Some(said), why(&reached.controls, "trigger"));
    }

    #[test]
    fn what_stands_still_in_a_store_has_its_button_and_the_release_in_the_way() {
        for (word, verb, danger) in [
            ("SUBMISSION_FAILED", "retry-submission?of=s1", false),
            ("ROLLOUT_FAILED", "retry-rollout?of=r1", false),
            ("ROLLOUT_HALTED", "resume-rollout?of=r1", false),
            ("ROLLOUT_PAUSED", "resume-rollout?of=r1", false),
            ("AWAITING_SUBMIT", "submit?of=s1", false),
            ("AWAITING_RELEASE_TO_USERS", "release-to-users?of=s1", false),
            ("AWAITING_ADVANCE", "advance?of=r1", false),
        ] {
            let hold = json!({
                "hold": word, "detail": "x", "liftedBy": "x", "target": "ANDROID_PLAY_STORE", "submissionId": "s1",
                "rolloutId": "r1",
            });
            let mut lane = lane("ANDROID_PLAY_STORE", "ACTIVE");
            let other = json!({"key": "REL-3", "version": "1.1.0", "exposure": 2_000});
            lane.in_the_way = serde_json::from_value(other).unwrap();
            let row = hold_row(&HAND, serde_json::from_value(hold).unwrap(), None, &[lane]);
            let first = &row.controls[0];
            assert_eq!(first.href, format!("/releases/REL-7/do/{verb}"));
            assert_eq!((first.danger, &first.blocked), (danger, &None), "{word}");
            assert!(row.lifted.contains("ny member"), "{word}: {}", row.lifted);
            assert_eq!(row.behind.unwrap().reach(), "which 20 % of the users have");
        }
    }
}
