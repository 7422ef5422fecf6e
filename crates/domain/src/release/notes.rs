//! Which news of a release is told to people, from its events alone: one message per event, however often it is tried.

use super::event::Event;
use super::hold::Hold;
use super::remind;
use super::state::{Decision, Release, Stage, Verdict};
use crate::board::{Begin, TaskEvent};
use crate::effect::{Effect, Note, Topic};
use crate::key::{Generation, TargetKey, TaskKey, TaskKind};
use crate::report::Finding;
use crate::time::Span;

/// Messages of an event, from the states around it.
#[must_use]
pub fn messages(before: &Release, release: &Release, event: &Event) -> Vec<Effect> {
    let Some(chat) = &release.plan().chat else {
        return Vec::new();
    };
    let Some((kind, topics, text, lines)) = news(before, release, event) else {
        return Vec::new();
    };
    let title = format!(
        "{} {} {}: {text}",
        release.key(),
        release.draft.service_slug,
        release.version_name()
    );
    topics
        .iter()
        .filter(|topic| chat.topics.contains(topic))
        .zip(1u16..)
        .map(|(topic, ordinal)| Effect::Message {
            from: release.aggregate_id(),
            ordinal: (release.version, ordinal),
            integration: chat.integration,
            topic: *topic,
            note: Note {
                kind: kind.to_owned(),
                title: title.clone(),
                lines: lines.clone(),
            },
        })
        .collect()
}

type News = (&'static str, &'static [Topic], String, Vec<String>);

fn news(before: &Release, release: &Release, event: &Event) -> Option<News> {
    let plain = |kind: &'static str, topics: &'static [Topic], text: String| -> Option<News> {
        Some((kind, topics, text, Vec::new()))
    };
    match event {
        Event::Task { event } => task_news(release, event),
        Event::Created { draft } => plain(
            "RELEASE_CREATED",
            &[Topic::Releases],
            format!("created, kickoff {}", draft.kickoff_at),
        ),
        Event::StageEntered { stage } => stage_news(release, *stage),
        Event::CycleStarted { cycle, .. } => plain(
            "CYCLE_STARTED",
            &[Topic::Regression],
            format!("regression cycle {} started", cycle.number),
        ),
        Event::CycleEnded {
            cycle,
            state,
            verdict,
            note,
        } => {
            let kind = if *verdict == Verdict::Unknown {
                "CYCLE_ENDED"
            } else {
                "TEST_RESULTS_SUMMARY"
            };
            let lines = note.iter().cloned().collect();
            Some((
                kind,
                &[Topic::Regression],
                format!("regression cycle {cycle} {state}, verdict {verdict}"),
                lines,
            ))
        }
        Event::VerdictRecorded { cycle, verdict, note } => Some((
            "TEST_RESULTS_SUMMARY",
            &[Topic::Regression],
            format!("cycle {cycle} judged {verdict} by hand"),
            vec![note.clone()],
        )),
        Event::SlotAdded { slot } => plain(
            "NEW_SLOT_ADDED",
            &[Topic::Regression],
            format!("regression slot added for {}", slot.at),
        ),
        Event::SlotChanged { slot } => plain(
            "SLOT_CHANGED",
            &[Topic::Regression],
            format!("regression slot is now {}", slot.at),
        ),
        Event::SlotSkipped { .. } => plain(
            "SLOT_SKIPPED",
            &[Topic::Regression],
            "a missed regression slot was left out".to_owned(),
        ),
        Event::BuildArrived { build } => build_news(build),
        Event::HoldPlaced { hold } => hold_news(hold, "held"),
        Event::HoldLifted { hold } | Event::DriftCleared { hold, .. } => hold_news(hold, "no longer held"),
        Event::Decided { approval } => {
            let word = if approval.decision == Decision::Approved {
                "approved"
            } else {
                "rejected"
            };
            let lines = approval.comment.iter().cloned().collect();
            Some((
                "STAGE_DECIDED",
                &[Topic::Releases],
                format!("{} {word} by {}", approval.stage, approval.by),
                lines,
            ))
        }
        Event::StageReleased {
            stage,
            overridden,
            reason,
        } => {
            let mut lines = overridden.clone();
            lines.extend(reason.iter().map(|why| format!("Overridden: {why}")));
            Some((
                "STAGE_RELEASED",
                &[Topic::Releases],
                format!("{stage} was let through"),
                lines,
            ))
        }
        Event::ReminderFired { reminder } if reminder.starts_with("PRE_KICKOFF") => plain(
            "PRE_KICKOFF_REMINDER",
            &[Topic::Releases, Topic::Regression],
            format!("kickoff is at {}", release.draft.kickoff_at),
        ),
        Event::ReminderFired { reminder } if remind::of_waits(reminder) => Some(wait_news(release, reminder)),
        Event::ReminderFired { .. } => plain(
            "REGRESSION_KICKOFF_REMINDER",
            &[Topic::Regression],
            "a regression cycle is near".to_owned(),
        ),
        Event::Edited { edit } if edit.target_date.is_some() => {
            let date = release
                .draft
                .target_date
                .map_or_else(String::new, |date| date.to_string());
            plain(
                "TARGET_DATE_CHANGED",
                &[Topic::Releases],
                format!("target date is now {date}"),
            )
        }
        Event::ShipmentChanged { target, shipment } => shipment_news(before, release, *target, shipment),
        Event::Archived { reason } => Some((
            "RELEASE_ARCHIVED",
            &[Topic::Releases],
            "closed".to_owned(),
            vec![reason.clone()],
        )),
        Event::Reworked { to, reason } => Some((
            "RELEASE_REWORKED",
            &[Topic::Releases, Topic::Critical],
            format!("goes back to {to}"),
            vec![reason.clone()],
        )),
        Event::Replanned { changed, .. } => Some((
            "RELEASE_REPLANNED",
            &[Topic::Releases],
            format!("its plan changed in {} place(s)", changed.len()),
            changed.clone(),
        )),
        Event::KickoffStartedNow { .. }
        | Event::SlotRemoved { .. }
        | Event::ReminderSkipped { .. }
        | Event::Edited { .. }
        | Event::BuildModeChanged { .. }
        | Event::StoreNotesChanged { .. }
        | Event::FactChanged { .. }
        | Event::RunCancelled { .. } => None,
    }
}

/// What waits for people, and since when.
fn wait_news(release: &Release, reminder: &str) -> News {
    let waits = remind::waits(release);
    let long = remind::of_waits_at(reminder).is_some_and(|now| {
        let longest = waits.first().map(|wait| now - wait.since);
        longest.is_some_and(|span| span >= Span::days(remind::WAIT_CRITICAL_DAYS))
    });
    let topics: &'static [Topic] = if long {
        &[Topic::Releases, Topic::Critical]
    } else {
        &[Topic::Releases]
    };
    let since = |wait: &remind::Wait| wait.since.format("%Y-%m-%d %H:%M UTC");
    let lines = waits
        .iter()
        .map(|wait| format!("{} (since {})", wait.sentence, since(wait)))
        .collect();
    ("WAIT_REMINDER", topics, "waits for people".to_owned(), lines)
}

fn stage_news(release: &Release, stage: Stage) -> Option<News> {
    let again = match release.rework.times {
        0 => String::new(),
        times => format!(" (attempt {})", times.saturating_add(1)),
    };
    let (kind, text) = match stage {
        Stage::AwaitingPreRelease => (
            "REGRESSION_STAGE_APPROVAL_REQUEST",
            match release.judged_cycle() {
                Some(cycle) => format!(
                    "regression is complete with cycle {} and waits for approval",
                    cycle.number
                ),
                None => "regression is complete and waits for approval".to_owned(),
            },
        ),
        Stage::AwaitingDistribution => (
            "PRE_RELEASE_STAGE_APPROVAL_REQUEST",
            format!("pre-release is complete and waits for approval{again}"),
        ),
        Stage::AwaitingRegression => ("KICKOFF_COMPLETED", "kickoff is complete".to_owned()),
        Stage::Completed => ("RELEASE_COMPLETED", "is out".to_owned()),
        Stage::Kickoff => ("KICKOFF_STARTED", "kickoff started".to_owned()),
        Stage::Distribution => ("WHATS_NEW", format!("goes to its users{again}")),
        Stage::NotStarted | Stage::Regression | Stage::PreRelease | Stage::RolledBack | Stage::Archived => {
            return None;
        }
    };
    let lines = if matches!(stage, Stage::Completed | Stage::Distribution) {
        release.notes.iter().cloned().collect()
    } else {
        Vec::new()
    };
    Some((kind, &[Topic::Releases], text, lines))
}

fn hold_news(hold: &Hold, word: &str) -> Option<News> {
    let why = match hold {
        Hold::UserPaused { by, note } => format!(
            "paused by {by}{}",
            note.as_ref().map_or_else(String::new, |note| format!(": {note}"))
        ),
        Hold::Blocked { by, reason, .. } => format!("blocked by {by}: {reason}"),
        Hold::Quarantine { reason } => format!("quarantined: {reason}"),
        Hold::Drift { sentence, .. } => sentence.clone(),
        Hold::TaskFailed { .. }
        | Hold::IntegrationInvalid { .. }
        | Hold::AwaitingApproval { .. }
        | Hold::AwaitingCycle
        | Hold::InStore { .. } => return None,
    };
    Some((
        "HOLD_CHANGED",
        &[Topic::Releases],
        format!("{word} ({why})"),
        Vec::new(),
    ))
}

fn build_news(build: &super::state::Build) -> Option<News> {
    let kind = if build.task.kind == TaskKind::TriggerPreRegressionBuilds {
        "PREREGRESSION_BUILDS"
    } else if build.task.kind == TaskKind::TriggerTestFlightBuild {
        "IOS_TEST_FLIGHT_BUILD"
    } else if build.task.kind == TaskKind::CreateAabBuild {
        "ANDROID_AAB_BUILD"
    } else {
        "REGRESSION_BUILDS"
    };
    let number = build.build_number.as_deref().unwrap_or("-");
    let lines = build
        .url
        .iter()
        .chain(build.artifact_url.iter())
        .cloned()
        .chain(build.lacks_file().then(|| "no file came with it".to_owned()))
        .collect();
    Some((
        kind,
        &[Topic::Builds],
        format!("build {number} for {} is there", build.target.platform()),
        lines,
    ))
}

fn shipment_news(
    before: &Release,
    release: &Release,
    target: TargetKey,
    shipment: &super::state::Shipment,
) -> Option<News> {
    let state = &shipment.state;
    let task = release.board.find(&super::catalogue::ship_task(target));
    // A submission that came to nothing is spent; the next one is a new generation of the same task.
    let again = task.is_some_and(|task| task.generation > Generation::default());
    let kind = match (target, state.status.as_str()) {
        (TargetKey::IosAppStore, "SUBMITTED") if again => "IOS_APPSTORE_BUILD_RESUBMITTED",
        (_, "SUBMITTED") if again => "ANDROID_PLAYSTORE_BUILD_RESUBMITTED",
        (TargetKey::IosAppStore, "SUBMITTED") => "IOS_APPSTORE_BUILD_SUBMITTED",
        (TargetKey::IosAppStore, "REJECTED") => "IOS_APPSTORE_BUILD_REJECTED",
        (TargetKey::IosAppStore, "CANCELLED") => "IOS_APPSTORE_BUILD_CANCELLED",
        (TargetKey::IosAppStore, "LIVE") => "IOS_APPSTORE_LIVE",
        (_, "SUBMITTED") => "ANDROID_PLAYSTORE_BUILD_SUBMITTED",
        (_, "LIVE") => "ANDROID_PLAYSTORE_LIVE",
        (_, "SUSPENDED") => "ANDROID_PLAYSTORE_SUSPENDED",
        (_, "ACTION_REQUIRED") => "USER_ACTION_PENDING",
        (_, _) => "ROLLOUT_CHANGED",
    };
    let stands = |it: &crate::report::ChildState| {
        format!(
            "{} at {}.{:02} %",
            it.status,
            it.exposure / 100,
            it.exposure % 100
        )
    };
    let was = before
        .shipments
        .get(&target)
        .filter(|known| known.submission == shipment.submission)
        .map_or_else(String::new, |known| format!(", was {}", stands(&known.state)));
    let lines = state
        .blocker
        .iter()
        .chain(state.store_words.iter())
        .cloned()
        .collect();
    let attempt = match task.map_or(0, |task| task.generation.0) {
        0 => String::new(),
        earlier => format!(" (attempt {})", earlier.saturating_add(1)),
    };
    let critical: &'static [Topic] = &[Topic::Releases, Topic::Critical];
    let topics: &'static [Topic] = if state.blocker.is_some() {
        critical
    } else {
        &[Topic::Releases]
    };
    Some((
        kind,
        topics,
        format!("{target} is {}{was}{attempt}", stands(state)),
        lines,
    ))
}

fn task_news(release: &Release, event: &TaskEvent) -> Option<News> {
    match event {
        TaskEvent::Completed { task, .. } => completed_news(release, task),
        TaskEvent::Failed { task, cause, .. } => {
            let kind = if task.kind == TaskKind::TriggerPreRegressionBuilds {
                "PREREGRESSION_BUILDS_FAILED"
            } else if task.kind == TaskKind::TriggerRegressionBuilds {
                "REGRESSION_BUILDS_FAILED"
            } else {
                "TASK_FAILED"
            };
            let mut lines = vec![cause.sentence.clone()];
            lines.extend(cause.vendor.clone());
            Some((kind, &[Topic::Critical], format!("{task} failed"), lines))
        }
        TaskEvent::Started {
            task,
            begin: Begin::Manual { what },
            ..
        } => Some((
            "MANUAL_BUILD_UPLOAD_REMINDER",
            &[Topic::Builds],
            format!("{task} waits for a person"),
            vec![what.sentence.clone()],
        )),
        TaskEvent::Skipped { task, reason } => Some((
            "TASK_SKIPPED",
            &[Topic::Releases],
            format!("{task} left out"),
            vec![reason.clone()],
        )),
        TaskEvent::Planned { .. }
        | TaskEvent::Started { .. }
        | TaskEvent::StepDone { .. }
        | TaskEvent::Parked { .. }
        | TaskEvent::Rearmed { .. }
        | TaskEvent::Repeated { .. }
        | TaskEvent::SkipRequested { .. }
        | TaskEvent::LookUpRequested { .. }
        | TaskEvent::Cancelled { .. }
        | TaskEvent::LateResult { .. }
        | TaskEvent::Doubted { .. }
        | TaskEvent::DoubtDue { .. }
        | TaskEvent::DoubtSettled { .. } => None,
    }
}

fn for_target(key: &TaskKey) -> String {
    key.target
        .map_or_else(String::new, |target| format!(" for {}", target.platform()))
}

fn completed_news(release: &Release, key: &TaskKey) -> Option<News> {
    let task = release.board.find(key)?;
    let link = || {
        task.reference()
            .map(|it| it.url.clone().unwrap_or_else(|| it.id.clone()))
            .into_iter()
            .collect::<Vec<_>>()
    };
    match key.kind {
        TaskKind::ForkBranch => Some((
            "BRANCH_FORKOUT",
            &[Topic::Releases, Topic::Regression],
            "release branch created".to_owned(),
            link(),
        )),
        TaskKind::CreateProjectManagementTicket => Some((
            "PROJECT_MANAGEMENT_LINKS",
            &[Topic::Regression],
            format!("ticket created{}", for_target(key)),
            link(),
        )),
        TaskKind::CreateTestSuite => Some((
            "TEST_MANAGEMENT_LINKS",
            &[Topic::Regression],
            format!("test run created{}", for_target(key)),
            link(),
        )),
        TaskKind::CreateReleaseNotes => {
            let text = match task.finding() {
                Some(Finding::Notes { text }) => text.clone(),
                Some(
                    Finding::Head { .. }
                    | Finding::Totals { .. }
                    | Finding::StoreBuild { .. }
                    | Finding::Exposure { .. },
                )
                | None => String::new(),
            };
            Some((
                "RELEASE_NOTES",
                &[Topic::Regression],
                format!("notes of cycle {}", key.cycle.unwrap_or_default()),
                vec![text],
            ))
        }
        TaskKind::CreateFinalReleaseNotes => Some((
            "FINAL_RELEASE_NOTES",
            &[Topic::Releases],
            "release notes".to_owned(),
            release.notes.iter().cloned().collect(),
        )),
        TaskKind::TriggerPreRegressionBuilds
        | TaskKind::ResetTestSuite
        | TaskKind::CreateRcTag
        | TaskKind::TriggerRegressionBuilds
        | TaskKind::TriggerAutomationRuns
        | TaskKind::AutomationRuns
        | TaskKind::CreateReleaseTag
        | TaskKind::TriggerTestFlightBuild
        | TaskKind::CreateAabBuild
        | TaskKind::SubmitToStore
        | TaskKind::Deploy
        | TaskKind::MergeBack
        | TaskKind::CloseReleaseTickets
        | TaskKind::CleanupCloseTickets
        | TaskKind::CleanupDeleteBranch
        | TaskKind::PrepareSubmission
        | TaskKind::SubmitForReview
        | TaskKind::AwaitReview
        | TaskKind::ReleaseToUsers
        | TaskKind::WithdrawSubmission
        | TaskKind::SetExposure
        | TaskKind::PauseRollout
        | TaskKind::ResumeRollout
        | TaskKind::HaltRollout
        | TaskKind::WatchRollout
        | TaskKind::CompleteRollout => None,
    }
}
