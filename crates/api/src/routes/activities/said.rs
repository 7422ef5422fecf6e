//! One line for every event.

use delivr_domain::aggregate::Event;
use delivr_domain::board::{AfterLookUp, StepResult, TaskEvent};
use delivr_domain::key::TaskKind;
use delivr_domain::release::event::{Clearable, Edit, Event as ReleaseEvent};
use delivr_domain::release::hold::Hold;
use delivr_domain::release::remind;
use delivr_domain::release::store_notes::Language;
use delivr_domain::report::{Exposure, Finding, Held};
use delivr_domain::rollout::{Event as RolloutEvent, Status as RolloutStatus};
use delivr_domain::submission::Event as SubmissionEvent;

/// What happened.
pub(crate) fn summary(event: &Event) -> String {
    match event {
        Event::Release(event) => release(event),
        Event::Submission(event) => match event {
            SubmissionEvent::Born { start } => {
                format!(
                    "try {} of {} at the store of {} began",
                    start.attempt, start.version.version, start.target
                )
            }
            SubmissionEvent::Task { event } => task(event),
            SubmissionEvent::SubmitAsked => "asked to submit".to_owned(),
            SubmissionEvent::ReleaseAsked { reason } => with(
                "asked to release the approved version".to_owned(),
                reason.as_deref(),
            ),
            SubmissionEvent::WithdrawalAsked { reason } => {
                format!("asked to withdraw the submission: {reason}")
            }
            SubmissionEvent::StatusChanged { status, review } => match review {
                Some(review) => format!(
                    "the submission is {status} (the store says {})",
                    review.store_word
                ),
                None => format!("the submission is {status}"),
            },
            SubmissionEvent::HoldsChanged { held } => held_line(held),
        },
        Event::Rollout(event) => match event {
            RolloutEvent::Born { start } => {
                format!(
                    "the rollout of {} to {} began",
                    start.version.version, start.target
                )
            }
            RolloutEvent::Task { event } => task(event),
            RolloutEvent::Decided { kind, bps, reason } => decided(*kind, *bps, reason),
            RolloutEvent::Observed { exposure, drift } => observed(exposure, drift.as_deref()),
            RolloutEvent::RaisingStopped { status, reason } => match status {
                RolloutStatus::Paused => format!("paused the rollout: {reason}"),
                RolloutStatus::Active => format!("resumed the rollout: {reason}"),
                RolloutStatus::Halted | RolloutStatus::Completed => {
                    format!("the rollout is {}: {reason}", plain(status.word()))
                }
            },
            RolloutEvent::HoldsChanged { held } => held_line(held),
            RolloutEvent::DriftAccepted { drift } => format!("stays so by decision: {drift}"),
        },
    }
}

/// A decision on a rollout, with its reason. Only a raise has a share of its own.
fn decided(kind: TaskKind, bps: u16, reason: &str) -> String {
    let what = if kind == TaskKind::SetExposure {
        format!("decided to raise the rollout to {}", percent(bps))
    } else if kind == TaskKind::CompleteRollout {
        "decided to give it to everybody".to_owned()
    } else if kind == TaskKind::PauseRollout {
        format!("decided to pause the rollout at {}", percent(bps))
    } else if kind == TaskKind::ResumeRollout {
        format!("decided to resume the rollout at {}", percent(bps))
    } else if kind == TaskKind::HaltRollout {
        format!("decided to halt the rollout at {}", percent(bps))
    } else {
        format!("decided {kind} ({})", percent(bps))
    };
    format!("{what}: {reason}")
}

fn held_line(held: &Held) -> String {
    if held.holds() {
        format!("waits for the release: {}", held.sentence())
    } else {
        "the release holds it no longer".to_owned()
    }
}

fn percent(bps: u16) -> String {
    let hundredths = bps % 100;
    match (hundredths, hundredths % 10) {
        (0, _) => format!("{} %", bps / 100),
        (_, 0) => format!("{}.{} %", bps / 100, hundredths / 10),
        _ => format!("{}.{hundredths:02} %", bps / 100),
    }
}

fn observed(exposure: &Exposure, drift: Option<&str>) -> String {
    let seen = format!(
        "the store says {} at {}",
        exposure.store_word,
        percent(exposure.bps)
    );
    match drift {
        Some(drift) => format!("{seen}; {drift}"),
        None => seen,
    }
}

fn release(event: &ReleaseEvent) -> String {
    match event {
        ReleaseEvent::Created { draft } => format!("created, kickoff {}", draft.kickoff_at.to_rfc3339()),
        ReleaseEvent::Task { event } => task(event),
        ReleaseEvent::StageEntered { stage } => format!("came to {stage}"),
        ReleaseEvent::KickoffStartedNow { .. } => "kicked off before its time".to_owned(),
        ReleaseEvent::CycleStarted { cycle, .. } => format!("regression cycle {} began", cycle.number),
        ReleaseEvent::CycleEnded {
            cycle,
            state,
            verdict,
            note,
        } => with(
            format!(
                "regression cycle {cycle} is {}: {}",
                plain(&state.to_string()),
                plain(&verdict.to_string())
            ),
            note.as_deref(),
        ),
        ReleaseEvent::VerdictRecorded { cycle, verdict, note } => {
            format!(
                "regression cycle {cycle} judged {}: {note}",
                plain(&verdict.to_string())
            )
        }
        ReleaseEvent::SlotAdded { slot } => format!("slot planned for {}", slot.at.to_rfc3339()),
        ReleaseEvent::SlotChanged { slot } => format!("slot is now {}", slot.at.to_rfc3339()),
        ReleaseEvent::SlotRemoved { .. } => "slot dropped".to_owned(),
        ReleaseEvent::SlotSkipped { .. } => "missed slot left out".to_owned(),
        ReleaseEvent::BuildArrived { build } => {
            let number = build.build_number.as_deref().unwrap_or("without a number");
            format!("build {number} for {} came", build.target)
        }
        ReleaseEvent::HoldPlaced { hold } => hold_line("held", hold),
        ReleaseEvent::HoldLifted { hold } => hold_line("no longer held", hold),
        ReleaseEvent::DriftCleared { reason, .. } => format!("the drift was put right: {reason}"),
        ReleaseEvent::Decided { approval } => with(
            format!("{} {} by {}", approval.stage, approval.decision, approval.by),
            approval.comment.as_deref(),
        ),
        ReleaseEvent::StageReleased {
            stage,
            overridden,
            reason,
        } => {
            let said = if overridden.is_empty() {
                format!("{stage} may start")
            } else {
                format!("{stage} may start in spite of: {}", overridden.join("; "))
            };
            with(said, reason.as_deref())
        }
        ReleaseEvent::ReminderFired { reminder } => {
            format!("people were reminded of {}", reminded_of(reminder))
        }
        ReleaseEvent::ReminderSkipped { reminder } => {
            format!("too late to remind people of {}", reminded_of(reminder))
        }
        ReleaseEvent::Edited { edit } => edited(edit),
        ReleaseEvent::BuildModeChanged { target, mode } => format!("builds of {target} come by {mode}"),
        ReleaseEvent::StoreNotesChanged { target, texts } => {
            let said = |(language, text): (&Language, &Option<String>)| match text {
                Some(_) => language.to_string(),
                None => format!("{language} taken away"),
            };
            let languages: Vec<String> = texts.iter().map(said).collect();
            format!("store notes of {target} changed: {}", languages.join(", "))
        }
        ReleaseEvent::ShipmentChanged { target, shipment } => with(
            shipped(
                &target.to_string(),
                &shipment.state.status.to_string(),
                shipment.state.exposure,
            ),
            shipment.state.blocker.as_deref(),
        ),
        ReleaseEvent::FactChanged { fact, value } => format!("{fact} is now {value}"),
        ReleaseEvent::Archived { reason } => format!("closed: {reason}"),
        ReleaseEvent::Reworked { to, reason } => format!("sent back to {to}: {reason}"),
        ReleaseEvent::Replanned { changed, .. } => format!("took up a changed plan: {}", changed.join(", ")),
        ReleaseEvent::RunCancelled { run, .. } => {
            format!("run {} of `{}` was asked to stop", run.id, run.job)
        }
    }
}

/// A state's word inside a sentence.
fn plain(word: &str) -> String {
    word.to_lowercase().replace('_', " ")
}

/// Where the store has a target, and for how many.
fn shipped(target: &str, status: &str, bps: u16) -> String {
    let status = plain(status);
    if bps == 0 {
        format!("{target} is {status}")
    } else {
        format!("{target} is {status}, for {} of users", percent(bps))
    }
}

fn with(text: String, more: Option<&str>) -> String {
    match more {
        Some(more) => format!("{text}: {more}"),
        None => text,
    }
}

fn hold_line(word: &str, hold: &Hold) -> String {
    let why = match hold {
        Hold::UserPaused { by, note } => with(format!("paused by {by}"), note.as_deref()),
        Hold::Blocked { by, reason, scope } => format!("{scope} blocked by {by}: {reason}"),
        Hold::TaskFailed { task } => format!("{task} failed"),
        Hold::IntegrationInvalid { integration } => format!("integration {integration} does not work"),
        Hold::AwaitingApproval { stage } => format!("{stage} waits for a person"),
        Hold::AwaitingCycle => "no regression cycle is planned".to_owned(),
        Hold::Drift { sentence, .. } => sentence.clone(),
        Hold::InStore { .. } => hold.sentence(),
        Hold::Quarantine { reason } => format!("quarantined: {reason}"),
    };
    format!("{word}: {why}")
}

/// What of a release was changed, and what was taken away.
fn edited(edit: &Edit) -> String {
    let cleared = edit.cleared.iter().map(|it| match it {
        Clearable::Description => "description",
        Clearable::Pilot => "pilot",
        Clearable::KickoffReminder => "kickoff reminder",
        Clearable::TargetDate => "target date",
    });
    let parts = [
        ("edited", fields(edit)),
        ("took away", cleared.collect::<Vec<&str>>()),
    ];
    let said = parts.iter().filter(|(_, of)| !of.is_empty());
    said.map(|(done, of)| format!("{done} {}", of.join(", ")))
        .collect::<Vec<String>>()
        .join("; ")
}

fn fields(edit: &Edit) -> Vec<&'static str> {
    let set = [
        ("title", edit.title.is_some()),
        ("description", edit.description.is_some()),
        ("priority", edit.priority.is_some()),
        ("pilot", edit.pilot.is_some()),
        ("kickoff", edit.kickoff_at.is_some()),
        ("kickoff reminder", edit.kickoff_reminder_at.is_some()),
        ("target date", edit.target_date.is_some()),
    ];
    set.into_iter()
        .filter(|(_, set)| *set)
        .map(|(name, _)| name)
        .collect()
}

fn task(event: &TaskEvent) -> String {
    match event {
        TaskEvent::Planned { tasks } => match tasks.len() {
            1 => "1 task planned".to_owned(),
            many => format!("{many} tasks planned"),
        },
        TaskEvent::Started { task, .. } => format!("{task} started"),
        TaskEvent::StepDone {
            task,
            result: StepResult::Found {
                finding: Finding::Head { sha },
            },
            ..
        } => format!("{task}: goes on from commit {}", sha.brief()),
        TaskEvent::StepDone { task, step, .. } => format!("{task}: step {} done", step.saturating_add(1)),
        TaskEvent::Parked { task } => format!("{task} waits: a hold came first"),
        TaskEvent::Completed { task, .. } => format!("{task} completed"),
        TaskEvent::Failed { task, cause, .. } => format!("{task} failed: {}", cause.sentence),
        TaskEvent::Rearmed { task, spent } => {
            if *spent {
                format!("{task} is run anew")
            } else {
                format!("{task} is tried again")
            }
        }
        TaskEvent::Repeated { task } => format!("{task} is done once more"),
        TaskEvent::Skipped { task, reason } => format!("{task} left out: {reason}"),
        TaskEvent::SkipRequested { task, reason } => format!("{task} is left out unless it exists: {reason}"),
        TaskEvent::LookUpRequested {
            task,
            then: AfterLookUp::Done { .. },
        } => format!("{task} was done by hand; what was sent for it before is looked for first"),
        TaskEvent::LookUpRequested {
            task,
            then: AfterLookUp::Again,
        } => format!("what was sent for {task} before is looked for; then it is tried again"),
        TaskEvent::Cancelled { task } => format!("{task} cancelled"),
        TaskEvent::LateResult { key, reference } => {
            format!(
                "{}: {} exists, and nobody waits for it any more",
                key.task, reference.id
            )
        }
        TaskEvent::Doubted { doubt } => {
            format!(
                "{} is looked for once more later, whether it was done twice",
                doubt.key.task
            )
        }
        TaskEvent::DoubtDue { key } => format!("{} is looked for once more", key.task),
        TaskEvent::DoubtSettled { key, found } => {
            format!("{} was looked for once more: {} found", key.task, found.len())
        }
    }
}

/// What a reminder is of, by its key.
fn reminded_of(reminder: &str) -> &'static str {
    if remind::of_waits(reminder) {
        "what waits for them"
    } else if reminder.starts_with("PRE_KICKOFF") {
        "the kickoff"
    } else {
        "a regression cycle"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_taken_away_is_not_said_to_be_edited() {
        let clear = Edit {
            cleared: [Clearable::Pilot, Clearable::TargetDate].into(),
            ..Edit::default()
        };
        assert_eq!(edited(&clear), "took away pilot, target date");
        let both = Edit {
            title: Some("x".to_owned()),
            ..clear
        };
        assert_eq!(edited(&both), "edited title; took away pilot, target date");
    }

    #[test]
    fn where_the_store_has_a_target_is_said_as_people_say_it() {
        for (status, bps, said) in [
            ("IN_REVIEW", 0, "X is in review"),
            ("LIVE", 100, "X is live, for 1 % of users"),
            ("LIVE", 50, "X is live, for 0.5 % of users"),
            ("LIVE", 1_225, "X is live, for 12.25 % of users"),
        ] {
            assert_eq!(shipped("X", status, bps), said);
        }
    }
}
