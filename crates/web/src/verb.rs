//! What people can do about a release: one table, from the word in an address to the request of the API.

use crate::api::Call;
use crate::form::Form;
use actix_web::http::Method;
use serde_json::{Map, Value, json};

/// What a verb is about, besides the release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Of {
    /// The release itself.
    Release,
    /// A stage behind a gate.
    Stage,
    /// A task, by its id.
    Task,
    /// A regression cycle, by its number.
    Cycle,
    /// A planned cycle, by its id.
    Slot,
    /// A submission, by its id.
    Submission,
    /// A rollout, by its id.
    Rollout,
}

/// Whether a reason is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// There is no place for one.
    No,
    /// It may be.
    May,
    /// It must be.
    Must,
}

/// What else a form asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum More {
    /// Nothing.
    Nothing,
    /// What is cleaned up.
    CleanUp,
    /// How far something is blocked.
    Scope,
    /// What a person has made.
    Made,
    /// The stage to go back to.
    ToStage,
    /// A share of users.
    Exposure,
}

/// Something that people can do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verb {
    /// Its word in addresses.
    pub(crate) word: &'static str,
    /// What its button says.
    pub(crate) title: &'static str,
    /// What it means, for somebody who is about to do it.
    pub(crate) means: &'static str,
    /// What the page says afterwards.
    pub(crate) done: &'static str,
    pub(crate) of: Of,
    pub(crate) reason: Reason,
    pub(crate) more: More,
    /// Whether it withdraws, gives up or risks something: its button looks like it.
    pub(crate) danger: bool,
    /// Whether it needs ADMIN; everything else needs MEMBER.
    pub(crate) admin: bool,
}

const fn verb(
    (word, title): (&'static str, &'static str),
    of: Of,
    reason: Reason,
    (means, done): (&'static str, &'static str),
) -> Verb {
    Verb {
        word,
        title,
        means,
        done,
        of,
        reason,
        more: More::Nothing,
        danger: false,
        admin: false,
    }
}

impl Verb {
    const fn dangerous(self) -> Self {
        Self { danger: true, ..self }
    }
    const fn by_admins(self) -> Self {
        Self { admin: true, ..self }
    }
    const fn with(self, more: More) -> Self {
        Self { more, ..self }
    }
    /// Whether it makes things safer, whatever has changed meanwhile: it never waits for a second look.
    pub(crate) fn is_safe(&self) -> bool {
        matches!(self.word, "pause" | "pause-rollout" | "halt")
    }
}

/// Every verb.
pub(crate) const VERBS: &[Verb] = &[
    verb(("start", "Kick off now"), Of::Release, Reason::No, (
        "The kickoff begins now instead of at its time.",
        "The kickoff has begun.",
    )),
    verb(("pause", "Pause"), Of::Release, Reason::May, (
        "Nothing new starts. What is under way ends and is recorded.",
        "The release is paused.",
    )),
    verb(("resume", "Resume"), Of::Release, Reason::No, (
        "The pause is lifted, and nothing else.",
        "The release goes on.",
    )),
    verb(("block", "Block"), Of::Release, Reason::Must, (
        "The release is flagged as blocked, as far as you say.",
        "The release is blocked.",
    )).with(More::Scope),
    verb(("unblock", "Unblock"), Of::Release, Reason::No, (
        "The flag is lifted.",
        "The release is no longer blocked.",
    )),
    verb(("clear-drift", "Clear the drift"), Of::Release, Reason::Must, (
        "You say that you have put right at the vendor what was there more than once.",
        "The drift is cleared.",
    )),
    verb(("archive", "Archive"), Of::Release, Reason::Must, (
        "The release is given up for good. Runs under way are cancelled. It cannot be reopened.",
        "The release is archived; its clean-up is under way.",
    )).with(More::CleanUp).dangerous(),
    verb(("close-rolled-back", "Close as rolled back"), Of::Release, Reason::Must, (
        "The release is closed as rolled back, after every rollout was halted, or paused where the store cannot halt. Who has it keeps it.",
        "The release is closed as rolled back.",
    )).dangerous(),
    verb(("rework", "Send back"), Of::Release, Reason::Must, (
        "The release goes back to an earlier stage: a new regression cycle, or new builds of the approved commit.",
        "The release is sent back.",
    )).with(More::ToStage).dangerous(),
    verb(("approve", "Approve"), Of::Stage, Reason::May, (
        "You approve the commit that stands at the gate now, and no other one.",
        "Your approval is recorded.",
    )),
    verb(("reject", "Reject"), Of::Stage, Reason::Must, (
        "You reject the commit that stands at the gate now. A later decision of yours replaces this one.",
        "Your rejection is recorded.",
    )).dangerous(),
    verb(("trigger", "Start the next stage"), Of::Stage, Reason::No, (
        "The next stage starts. Facts of the gate are read again first.",
        "The stage has started.",
    )),
    verb(("override", "Override the gate"), Of::Stage, Reason::Must, (
        "The next stage starts in spite of what keeps its gate closed. What was overridden, and your reason, stay in the history.",
        "The gate was overridden; the stage has started.",
    )).dangerous().by_admins(),
    verb(("cycle", "Start a regression cycle"), Of::Release, Reason::No, (
        "A new regression cycle begins at the head of the release branch.",
        "The regression cycle has begun.",
    )),
    verb(("abandon", "Abandon the cycle"), Of::Cycle, Reason::Must, (
        "The regression cycle ends without a verdict.",
        "The regression cycle is abandoned.",
    )).dangerous(),
    verb(("drop-slot", "Drop the planned cycle"), Of::Slot, Reason::No, (
        "The regression cycle is not planned any more. One that has begun stays.",
        "The planned cycle is dropped.",
    )).dangerous(),
    verb(("retry", "Retry"), Of::Task, Reason::No, (
        "The task is tried again. What it may have made already is looked for first, so that it is not made twice. An early \
         build is made of what the release branch has then.",
        "The task is tried again.",
    )),
    verb(("force", "Retry at the risk of a duplicate"), Of::Task, Reason::No, (
        "It is unknown whether the object exists. Another one is made, at the risk that there are two.",
        "The task is run once more.",
    )).dangerous().by_admins(),
    verb(("skip", "Skip"), Of::Task, Reason::Must, (
        "The task is left out. What comes after it goes on without it. Where it is unknown whether it was done, that is looked \
         for first; if it was, the task is complete.",
        "The task is left out, as soon as it is known that it was not done.",
    )).dangerous(),
    verb(("complete", "Complete by hand"), Of::Task, Reason::Must, (
        "You say that a person has done it. A branch or tag that you name is looked up at the vendor first. Where it is \
         unknown whether it was done before, that is looked for too: what is found is the task's own, or is told beside \
         what you name.",
        "Your word is taken: the task is complete as soon as it is known what there is.",
    )).with(More::Made),
    verb(("submit", "Submit for review"), Of::Submission, Reason::No, (
        "The prepared version is handed to the store's review.",
        "The version is on its way to review.",
    )),
    verb(("release-to-users", "Release to users"), Of::Submission, Reason::May, (
        "The approved version is released to users.",
        "The version is on its way to users.",
    )),
    verb(("withdraw", "Withdraw"), Of::Submission, Reason::Must, (
        "The submission is withdrawn from the store.",
        "The submission is being withdrawn.",
    )).dangerous(),
    verb(("resubmit", "Submit anew"), Of::Submission, Reason::No, (
        "A new submission takes the place of this one.",
        "A new submission has begun.",
    )),
    verb(("retry-submission", "Retry"), Of::Submission, Reason::No, (
        "The failed step at the store is tried again.",
        "The step is tried again.",
    )),
    verb(("advance", "Advance"), Of::Rollout, Reason::Must, (
        "More users get the version: the next step, or the share that you name. It does not go down again.",
        "The rollout advances.",
    )).with(More::Exposure),
    verb(("pause-rollout", "Pause"), Of::Rollout, Reason::Must, (
        "The share of users is no longer raised. Who has the version keeps it.",
        "The rollout is being paused.",
    )),
    verb(("resume-rollout", "Resume"), Of::Rollout, Reason::Must, (
        "The rollout goes on after its pause or halt.",
        "The rollout goes on.",
    )),
    verb(("halt", "Halt"), Of::Rollout, Reason::Must, (
        "The store withholds the version, at once and before any other decision.",
        "The rollout is being halted.",
    )).dangerous(),
    verb(("finish", "Give it to everybody"), Of::Rollout, Reason::Must, (
        "Every user gets the version.",
        "The version goes to everybody.",
    )).dangerous(),
    verb(("retry-rollout", "Retry"), Of::Rollout, Reason::No, (
        "The failed decision is tried again.",
        "The decision is tried again.",
    )),
];

/// The last part of the path that lets a stage start.
fn trigger(stage: &str) -> Option<&'static str> {
    match stage {
        "REGRESSION" => Some("trigger-regression-testing"),
        "PRE_RELEASE" => Some("trigger-pre-release"),
        "DISTRIBUTION" => Some("trigger-distribution"),
        _ => None,
    }
}

/// The reason of a preview, whose sentence is not written yet.
const UNWRITTEN: &str = "…";

impl Verb {
    /// The verb of a word.
    pub(crate) fn named(word: &str) -> Option<&'static Self> {
        VERBS.iter().find(|it| it.word == word)
    }

    /// The request it stands for, about `of` (empty for the release itself); none when `of` is nothing that it could
    /// be about. A reason left out is left out of the request, and refused there where one is needed.
    pub(crate) fn call(&self, release: &str, of: &str, form: &Form) -> Option<Call> {
        let reason = form.get("reason");
        let body = |pairs: &[(&str, Option<Value>)]| {
            let filled = pairs.iter().filter_map(|(name, value)| {
                let value = value.clone()?;
                Some(((*name).to_owned(), value))
            });
            Value::Object(filled.collect::<Map<_, _>>())
        };
        let reasoned = || body(&[("reason", reason.map(Value::from))]);
        let below = |part: &str, body: Value| Some(Call::post(format!("/releases/{release}/{part}"), body));
        let at = |kind: &str, part: &str, body: Value| Some(Call::post(format!("/{kind}/{of}/{part}"), body));
        let task = |body: Value| {
            Some(Call::with(
                Method::PUT,
                format!("/releases/{release}/tasks/{of}"),
                body,
            ))
        };
        let decision = |word: &str| {
            trigger(of)?;
            let pairs = [
                ("stage", Some(of.into())),
                ("decision", Some(word.into())),
                ("comment", reason.map(Value::from)),
            ];
            below("approvals", body(&pairs))
        };
        if (self.of == Of::Release) != of.is_empty() {
            return None;
        }
        match self.word {
            "start" | "resume" | "unblock" => below(self.word, json!({})),
            "cycle" => below("cycles", json!({})),
            "pause" => below("pause", body(&[("note", reason.map(Value::from))])),
            "block" => {
                let scope = form.get("scope").map(Value::from);
                below(
                    "block",
                    body(&[("reason", reason.map(Value::from)), ("scope", scope)]),
                )
            }
            "clear-drift" | "close-rolled-back" => below(self.word, reasoned()),
            "archive" => {
                let pairs = [
                    ("reason", reason.map(Value::from)),
                    ("closeTickets", Some(form.ticked("close_tickets").into())),
                    ("deleteBranch", Some(form.ticked("delete_branch").into())),
                ];
                below("archive", body(&pairs))
            }
            "rework" => {
                let to = form.get("to_stage").unwrap_or("REGRESSION");
                let pairs = [("toStage", Some(to.into())), ("reason", reason.map(Value::from))];
                below("rework", body(&pairs))
            }
            "approve" => decision("APPROVED"),
            "reject" => decision("REJECTED"),
            "trigger" => below(trigger(of)?, json!({})),
            "override" => {
                let pairs = [
                    ("override", Some(true.into())),
                    ("reason", reason.map(Value::from)),
                ];
                below(trigger(of)?, body(&pairs))
            }
            "abandon" => below(&format!("cycles/{of}/abandon"), reasoned()),
            "drop-slot" => Some(Call::bare(
                Method::DELETE,
                format!("/releases/{release}/slots/{of}"),
            )),
            "retry" => task(json!({"action": "RETRY"})),
            "force" => task(json!({"action": "RETRY", "acceptDuplicate": true})),
            "skip" => task(body(&[
                ("action", Some("SKIP".into())),
                ("reason", reason.map(Value::from)),
            ])),
            "complete" => {
                let made = form.get("reference").map(|id| json!({"id": id}));
                task(body(&[
                    ("action", Some("COMPLETE".into())),
                    ("reason", reason.map(Value::from)),
                    ("reference", made),
                ]))
            }
            "submit" | "resubmit" => at("submissions", self.word, json!({})),
            "release-to-users" => at("submissions", "release", reasoned()),
            "withdraw" => at("submissions", "cancel", reasoned()),
            "retry-submission" => at("submissions", "retry", json!({})),
            "advance" => {
                // Written as a percentage; the API counts in hundredths of one. What is no number is no share, as
                // `Verb::mistake` says.
                let exposure = form.get("exposure").map(|text| match basis_points(text) {
                    Some(points) => points.into(),
                    None => Value::from(text),
                });
                let pairs = [("reason", reason.map(Value::from)), ("exposure", exposure)];
                at("rollouts", "advance", body(&pairs))
            }
            "pause-rollout" => at("rollouts", "pause", reasoned()),
            "resume-rollout" => at("rollouts", "resume", reasoned()),
            "halt" => at("rollouts", "halt", reasoned()),
            "finish" => at("rollouts", "complete", reasoned()),
            "retry-rollout" => at("rollouts", "retry", json!({})),
            _ => None,
        }
    }

    /// What is wrong with what is filled in, before anything is asked of the API; `asked` when it is to be done now.
    pub(crate) fn mistake(&self, form: &Form, asked: bool) -> Option<&'static str> {
        let share = (self.more == More::Exposure)
            .then(|| form.get("exposure"))
            .flatten();
        if share.is_some_and(|text| basis_points(text).is_none()) {
            return Some("The share of users is a number in percent, such as 20 or 12.5.");
        }
        (asked && self.reason == Reason::Must && form.get("reason").is_none())
            .then_some("Give a reason. It stays in the history, with your name.")
    }

    /// The request whose explanation is the preview: with a reason, which the person has yet to write.
    pub(crate) fn preview(&self, release: &str, of: &str, form: &Form) -> Option<Call> {
        let form = match (self.reason, form.get("reason")) {
            (Reason::Must, None) => form.clone().filled("reason", UNWRITTEN),
            (Reason::No | Reason::May | Reason::Must, _) => form.clone(),
        };
        Some(self.call(release, of, &form)?.explained())
    }
}

/// A percentage as basis points.
fn basis_points(text: &str) -> Option<u16> {
    let text = text.trim_end_matches('%').trim().replace(',', ".");
    let (whole, part) = text.split_once('.').unwrap_or((text.as_str(), ""));
    let part = format!("{part:0<2}");
    let whole: u16 = whole.parse().ok()?;
    let hundredths: u16 = (part.len() == 2).then(|| part.parse().ok())??;
    whole.checked_mul(100)?.checked_add(hundredths)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn subject(of: Of) -> &'static str {
        match of {
            Of::Release => "",
            Of::Stage => "PRE_RELEASE",
            Of::Task | Of::Cycle | Of::Slot | Of::Submission | Of::Rollout => "7",
        }
    }

    #[test]
    fn every_verb_is_a_request_and_none_is_two() {
        let mut seen = BTreeSet::new();
        for verb in VERBS {
            assert!(seen.insert(verb.word), "{}", verb.word);
            let call = verb.call("REL-1", subject(verb.of), &Form::default());
            assert!(call.is_some(), "{}", verb.word);
            // About something else it is nothing.
            let other = if verb.of == Of::Release { "7" } else { "" };
            assert!(
                verb.call("REL-1", other, &Form::default()).is_none(),
                "{}",
                verb.word
            );
        }
    }

    #[test]
    fn a_preview_asks_for_an_explanation_and_has_a_reason() {
        let halt = Verb::named("halt").unwrap();
        let call = halt.preview("REL-1", "7", &Form::default()).unwrap();
        assert_eq!(call.path, "/rollouts/7/halt?explain=true");
        assert_eq!(call.body.unwrap()["reason"], UNWRITTEN);
        // Without a reason the request itself has none, so that the API refuses it.
        let call = halt.call("REL-1", "7", &Form::default()).unwrap();
        assert_eq!(call.body.unwrap(), json!({}));
    }

    #[test]
    fn what_is_filled_in_wrongly_is_said_in_words() {
        let advance = Verb::named("advance").unwrap();
        let form = Form::default().filled("exposure", "half");
        assert!(advance.mistake(&form, false).unwrap().contains("in percent"));
        let form = Form::default().filled("exposure", "12.5 %");
        assert_eq!(advance.mistake(&form, false), None);
        for (word, needs) in [
            ("advance", true),
            ("reject", true),
            ("approve", false),
            ("resume", false),
        ] {
            let verb = Verb::named(word).unwrap();
            assert_eq!(verb.mistake(&Form::default(), true).is_some(), needs, "{word}");
            assert_eq!(
                verb.mistake(&Form::default(), false),
                None,
                "{word}: nothing was sent yet"
            );
        }
    }

    #[test]
    fn a_gate_is_one_of_three() {
        for word in ["trigger", "override", "approve", "reject"] {
            let verb = Verb::named(word).unwrap();
            assert!(
                verb.call("REL-1", "KICKOFF", &Form::default()).is_none(),
                "{word}"
            );
        }
    }

    #[test]
    fn shares_are_read_as_people_write_them() {
        for (text, points) in [("5", 500), ("12.5 %", 1_250), ("0,25", 25), ("100", 10_000)] {
            assert_eq!(basis_points(text), Some(points), "{text}");
        }
        for text in ["", "a", "1.234", "-1", "99999"] {
            assert_eq!(basis_points(text), None, "{text}");
        }
    }
}
