//! What is put into a release: the usual next move, every bad answer, and every command.

use super::common::slot;
use super::lab::{Outcome, Seen, Subject, tag};
use super::scenarios::Answers;
use delivr_domain::board::TaskState;
use delivr_domain::effect::{Effect, Reference};
use delivr_domain::ids::IntegrationId;
use delivr_domain::key::{TargetKey, TaskKey};
use delivr_domain::plan::{BuildMode, GatedStage, Plan};
use delivr_domain::release::command::Force;
use delivr_domain::release::event::Edit;
use delivr_domain::release::hold::Scope;
use delivr_domain::release::state::{Decision, Verdict};
use delivr_domain::release::{Command, work};
use delivr_domain::report::{
    Cause, ChildState, Class, Held, Outcome as Known, Performed, Report, Resolved, RunProduct, RunResult,
    RunState, Sighting,
};
use delivr_domain::time::Span;
use std::collections::BTreeMap;
/// The ways a skip of something unknown can end.
pub(crate) fn looked_up(seen: &mut Seen, subject: &Subject, task: TaskKey) {
    let row = subject
        .state
        .outstanding()
        .into_iter()
        .find_map(|effect| effect.key().filter(|key| key.task == task).copied());
    let Some(key) = row else { return };
    let reference = Reference::id("there");
    for performed in [Performed::Absent, Performed::Done { reference }] {
        let mut copy = subject.clone();
        copy.report(seen, &Report::Performed { key, performed });
    }
}

/// One move as everything goes well; whether there was one.
pub(crate) fn usual_move(seen: &mut Seen, subject: &mut Subject, answers: Answers) -> bool {
    if let Some(report) = subject.state.outstanding().iter().find_map(answers) {
        subject.report(seen, &report);
        return true;
    }
    let waiting = subject.release().board.iter().find_map(|task| match &task.state {
        TaskState::AwaitingManual { .. } => Some((task.key, true)),
        TaskState::AwaitingChild { .. } => Some((task.key, false)),
        _ => None,
    });
    match waiting {
        Some((task, true)) if work::makes_build(task.kind) => {
            let product = RunProduct {
                build_number: Some("9".to_owned()),
                sha: "a".repeat(40).parse().ok(),
                ..RunProduct::default()
            };
            subject.command(seen, Command::UploadBuild { task, product });
            return true;
        }
        Some((task, true)) => {
            let reason = "done in the console".to_owned();
            let reference = None;
            subject.command(
                seen,
                Command::CompleteTask {
                    task,
                    reason,
                    reference,
                    force: Force::No,
                },
            );
            return true;
        }
        Some((task, false)) => {
            ship(seen, subject, task.target.expect("a target"));
            return true;
        }
        None => {}
    }
    if let Some(at) = subject.state.wake_at() {
        subject.now = subject.now.max(at);
        subject.tick(seen);
        return true;
    }
    let stage = match subject.release().phase().word() {
        "AWAITING_REGRESSION" => GatedStage::Regression,
        "AWAITING_PRE_RELEASE" => GatedStage::PreRelease,
        "AWAITING_DISTRIBUTION" => GatedStage::Distribution,
        _ => return false,
    };
    subject.know("a", "approved");
    if subject.tick(seen) == Outcome::Accepted {
        return true;
    }
    let decision = Decision::Approved;
    let comment = None;
    subject.command(
        seen,
        Command::Decide {
            stage,
            decision,
            comment,
        },
    );
    if subject.command(
        seen,
        Command::Trigger {
            stage,
            override_reason: None,
        },
    ) != Outcome::Accepted
    {
        let override_reason = Some("known and accepted".to_owned());
        subject.command(
            seen,
            Command::Trigger {
                stage,
                override_reason,
            },
        );
    }
    true
}

pub(crate) fn shipped(subject: &Subject) -> Vec<(TargetKey, delivr_domain::ids::SubmissionId)> {
    let release = subject.release();
    let children = release
        .board
        .iter()
        .filter(|task| matches!(task.state, TaskState::AwaitingChild { .. }));
    children
        .filter_map(|task| Some((task.key.target?, work::submission_id(release, task))))
        .collect()
}

pub(crate) fn child(
    target: TargetKey,
    submission: delivr_domain::ids::SubmissionId,
    status: &str,
    exposure: u16,
    live: bool,
    subject: &Subject,
) -> Report {
    Report::ChildChanged {
        target,
        submission,
        rollout: None,
        state: ChildState {
            status: status.to_owned(),
            exposure,
            live,
            blocker: None,
            store_words: None,
            at: subject.now,
            asked: false,
            held: Held::default(),
            drift: None,
        },
    }
}

/// A submission through review and rollout, with a refusal on a copy.
fn ship(seen: &mut Seen, subject: &mut Subject, target: TargetKey) {
    let (_, submission) = shipped(subject)
        .into_iter()
        .find(|(it, _)| *it == target)
        .expect("a submission");
    for status in ["REJECTED", "CANCELLED", "SUSPENDED", "ACTION_REQUIRED", "PAUSED"] {
        let mut copy = subject.clone();
        copy.report(seen, &child(target, submission, status, 0, false, &copy));
        let task = delivr_domain::release::catalogue::ship_task(target);
        copy.command(
            seen,
            Command::RetryTask {
                task,
                force: Force::No,
            },
        );
    }
    for (status, exposure, live) in [
        ("SUBMITTED", 0, false),
        ("LIVE", 100, false),
        ("LIVE", 10_000, true),
    ] {
        // News that is not newer than what is known is no news.
        subject.now += Span::seconds(1);
        let report = child(target, submission, status, exposure, live, subject);
        subject.report(seen, &report);
    }
}

fn cause(code: &str) -> Cause {
    Cause::new(code, "a person must look", Class::NeedsHuman)
}

/// What can go wrong with a row, each with a name.
pub(crate) fn bad_answers(effect: &Effect) -> Vec<(String, Report)> {
    let Some(key) = effect.key().copied() else {
        return Vec::new();
    };
    let run = |state| Report::Seen {
        key,
        sighting: Sighting::Run { state },
    };
    match effect {
        Effect::Perform { .. } => {
            let failed = |cause: &Cause, outcome| Report::Performed {
                key,
                performed: Performed::Failed {
                    cause: cause.clone(),
                    outcome,
                },
            };
            let mut all: Vec<(String, Report)> = Known::ALL
                .iter()
                .map(|known| (known.to_string(), failed(&cause("refused"), *known)))
                .collect();
            let mut credential = cause("credential_rejected");
            credential.integration = Some(IntegrationId::from_uuid(uuid::Uuid::from_u128(1)));
            all.push(("credential".to_owned(), failed(&credential, Known::NotDone)));
            all
        }
        Effect::Resolve { .. } => vec![(
            "failed".to_owned(),
            Report::Resolved {
                key,
                resolved: Resolved::Failed {
                    cause: cause("refused"),
                },
            },
        )],
        Effect::Watch { watched, .. } if tag(watched, "watch") == "RUN" => {
            let product = RunProduct::default;
            let ended = |result| {
                let product = product();
                (
                    format!("ended {result}"),
                    run(RunState::Ended { result, product }),
                )
            };
            let mut all: Vec<(String, Report)> = RunResult::ALL.iter().copied().map(ended).collect();
            all.push(("running".to_owned(), run(RunState::Running)));
            all.push(("gone".to_owned(), run(RunState::Gone)));
            all
        }
        _ => Vec::new(),
    }
}

/// Commands that suit the state as far as their values go.
pub(crate) fn commands(subject: &Subject) -> Vec<Command> {
    let release = subject.release();
    let text = || "because".to_owned();
    let later = subject.now + Span::hours(1);
    let mut all = vec![
        Command::Start,
        Command::Pause { note: None },
        Command::Resume,
        Command::Block {
            reason: text(),
            scope: Scope::Everything,
        },
        Command::Unblock,
        Command::ClearDrift { reason: text() },
        Command::Archive {
            reason: text(),
            close_tickets: false,
            delete_branch: false,
        },
    ];
    for stage in GatedStage::ALL.iter().copied() {
        let override_reason = None;
        all.push(Command::Trigger {
            stage,
            override_reason,
        });
    }
    for stage in GatedStage::ALL.iter().copied() {
        let decision = Decision::Approved;
        let comment = None;
        all.push(Command::Decide {
            stage,
            decision,
            comment,
        });
    }
    all.push(Command::AddSlot {
        slot: slot(900, later.max(release.draft.kickoff_at)),
    });
    if let Some(known) = release.slots.values().next() {
        let mut changed = known.clone();
        changed.at = later.max(known.at + Span::minutes(1));
        all.push(Command::ChangeSlot { slot: changed });
        all.push(Command::RemoveSlot { slot: known.id });
    }
    all.push(Command::StartCycle);
    for cycle in &release.cycles {
        let cycle = cycle.number;
        all.push(Command::AbandonCycle {
            cycle,
            reason: text(),
        });
        let verdict = Verdict::Passed;
        all.push(Command::RecordVerdict {
            cycle,
            verdict,
            note: text(),
        });
    }
    let titled = Edit {
        title: Some("Shop 1.4, with gifts".to_owned()),
        ..Edit::default()
    };
    let moved = Edit {
        kickoff_at: Some(later.max(release.draft.kickoff_at + Span::minutes(1))),
        ..Edit::default()
    };
    all.push(Command::ChangeBuildMode {
        target: TargetKey::AndroidPlayStore,
        mode: BuildMode::Manual,
    });
    all.push(Command::ChangeBuildMode {
        target: TargetKey::AndroidPlayStore,
        mode: BuildMode::Pipeline,
    });
    for text in [Some("Geschenke."), None] {
        all.push(Command::ChangeStoreNotes {
            target: TargetKey::AndroidPlayStore,
            texts: BTreeMap::from([("de-DE".parse().expect("a language"), text.map(ToOwned::to_owned))]),
        });
    }
    all.push(Command::Edit { edit: titled });
    all.push(Command::Edit { edit: moved });
    all.push(Command::IntegrationRestored {
        integration: IntegrationId::from_uuid(uuid::Uuid::from_u128(1)),
    });
    all.push(Command::CloseRolledBack { reason: text() });
    for to in [GatedStage::Regression, GatedStage::PreRelease] {
        all.push(Command::Rework { to, reason: text() });
    }
    let replan = |change: fn(&mut Plan)| {
        let mut plan = release.plan().clone();
        change(&mut plan);
        Command::Replan { plan: Box::new(plan) }
    };
    all.push(replan(|plan| plan.deadlines.poll_seconds += 1));
    all.push(replan(|plan| {
        plan.scm.base = "trunk".parse().expect("a ref name");
    }));
    all
}

pub(crate) fn task_commands(task: TaskKey) -> Vec<Command> {
    let reason = || "because".to_owned();
    let reference = Some(Reference::id("release/1.4.0"));
    let product = RunProduct {
        build_number: Some("9".to_owned()),
        ..RunProduct::default()
    };
    vec![
        Command::RetryTask {
            task,
            force: Force::No,
        },
        Command::RetryTask {
            task,
            force: Force::AcceptDuplicate,
        },
        Command::SkipTask {
            task,
            reason: reason(),
            force: Force::No,
        },
        Command::CompleteTask {
            task,
            reason: reason(),
            reference: None,
            force: Force::No,
        },
        Command::CompleteTask {
            task,
            reason: reason(),
            reference,
            force: Force::No,
        },
        // No name of a branch: what comes after it cannot be formed.
        Command::CompleteTask {
            task,
            reason: reason(),
            reference: Some(Reference::id("release 1.4.0")),
            force: Force::No,
        },
        Command::UploadBuild { task, product },
    ]
}
