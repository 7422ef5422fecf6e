//! What a release makes of reports. Total: a report is never rejected.

use super::event::Event;
use super::gate::Context;
use super::state::{Build, Release, Shipment};
use super::work;
use crate::board::{self, StepResult, Task, TaskEvent, TaskState};
use crate::effect::{Reference, Watched};
use crate::ids::{BuildId, ReleaseId};
use crate::key::{EffectKey, TaskKey, TaskKind};
use crate::plan::ShaOrigin;
use crate::report::{
    Cause, ChildState, Class, Finding, Outcome, Report, RunProduct, RunResult, RunState, Sighting,
};
use crate::time::Timestamp;

/// Events of a report.
#[must_use]
pub fn decide_report(release: &Release, report: &Report, cx: &Context<'_>) -> Vec<Event> {
    match report {
        Report::Performed { .. } | Report::Resolved { .. } => {
            let decided = board::decide_report(release, report, cx.now).into_iter();
            let mut events: Vec<Event> = decided
                .filter(|event| !completes_automation(event))
                .map(|event| Event::Task { event })
                .collect();
            let drifts: Vec<Event> = events.iter().flat_map(|event| doubled(release, event)).collect();
            events.extend(drifts);
            if let Some(build) = build_of_store(release, report, cx.now) {
                events.push(Event::BuildArrived { build });
            }
            events
        }
        Report::Seen { key, sighting } => seen(release, key, sighting, cx.now),
        Report::FactChanged { fact, value } => vec![Event::FactChanged {
            fact: *fact,
            value: value.clone(),
        }],
        Report::RunCancelled { key, run } => vec![Event::RunCancelled {
            key: *key,
            run: run.clone(),
        }],
        Report::ChildChanged {
            target,
            submission,
            rollout,
            state,
        } => {
            let shipment = Shipment {
                submission: *submission,
                rollout: *rollout,
                state: state.clone(),
            };
            child_changed(release, *target, &shipment)
        }
        Report::HoldsChanged { .. }
        | Report::DriftAccepted { .. }
        | Report::StartSubmission { .. }
        | Report::StartRollout { .. }
        | Report::Tick => Vec::new(),
    }
}

/// Two objects where one was written: a drift on the lane, for a person. What a given-up task left, and what is surplus
/// once nothing goes on any more, belongs on the clean-up list.
fn doubled(release: &Release, event: &Event) -> Vec<Event> {
    let Event::Task {
        event: TaskEvent::DoubtSettled { key, found },
    } = event
    else {
        return Vec::new();
    };
    let given_up = release.board.gave_up(key)
        || release
            .board
            .find(&key.task)
            .is_some_and(|task| task.state == TaskState::Cancelled);
    #[cfg(delivr_sim)]
    if crate::sim::off(crate::sim::Rule::LateResult) && (given_up || release.terminal()) {
        return Vec::new();
    }
    if given_up || release.terminal() {
        let unknown = |it: &&Reference| !board::is_known(release, key, it);
        let late = found.iter().filter(unknown).map(|reference| Event::Task {
            event: TaskEvent::LateResult {
                key: *key,
                reference: reference.clone(),
            },
        });
        return late.collect();
    }
    let Some((first, surplus)) = found.split_first().filter(|(_, surplus)| !surplus.is_empty()) else {
        return Vec::new();
    };
    let named = |it: &Reference| match &it.url {
        Some(url) => format!("{} ({url})", it.id),
        None => it.id.clone(),
    };
    let others: Vec<String> = surplus.iter().map(named).collect();
    let sentence = format!(
        "{} was done more than once at the vendor: {} and {} stand under one mark; remove or close the surplus there, then \
         clear the drift and say what was done",
        key.task,
        named(first),
        others.join(", ")
    );
    let hold = super::hold::Hold::Drift {
        target: key.task.target,
        sentence,
    };
    vec![Event::HoldPlaced { hold }]
}

fn seen(release: &Release, key: &EffectKey, sighting: &Sighting, now: Timestamp) -> Vec<Event> {
    let Sighting::Run { state } = sighting else {
        return Vec::new();
    };
    let Some(task) = release.board.find(&key.task).filter(|task| task.is_at(key)) else {
        return Vec::new();
    };
    let TaskState::AwaitingCallback {
        watched: Watched::Run { run },
        ..
    } = &task.state
    else {
        return Vec::new();
    };
    match state {
        RunState::Queued | RunState::Running => Vec::new(),
        RunState::Ended {
            result: RunResult::Succeeded,
            product,
        } => run_succeeded(release, task, product, now),
        RunState::Ended {
            result: RunResult::Failed,
            product,
        } if is_automation(task) => {
            // Failed tests end the run badly as well; the totals (or their absence) decide about the verdict.
            run_succeeded(
                release,
                task,
                &RunProduct {
                    failed: true,
                    ..product.clone()
                },
                now,
            )
        }
        RunState::Ended { result, product } => vec![failed(
            task,
            "run_failed",
            format!(
                "the run {} ended as {result}; look at {} and run it anew{}",
                run.id,
                product.url.as_deref().unwrap_or("its log"),
                what_is_built_then(task)
            ),
            Class::NeedsHuman,
            Outcome::Spent,
        )],
        RunState::Gone => vec![failed(
            task,
            "run_gone",
            format!("the CI system no longer knows run {}; run it anew", run.id),
            Class::NeedsHuman,
            Outcome::Spent,
        )],
    }
}

/// A branch can be mended in between, where a tag stays as it is.
const fn what_is_built_then(task: &Task) -> &'static str {
    if matches!(task.key.kind, TaskKind::TriggerPreRegressionBuilds) {
        ": it builds what the release branch has then"
    } else {
        ""
    }
}

/// Automation's completion carries a verdict: settle adds it once the run has ended and the totals are there.
fn completes_automation(event: &TaskEvent) -> bool {
    matches!(event, TaskEvent::Completed { task, .. } if task.kind == TaskKind::AutomationRuns)
}

fn is_automation(task: &Task) -> bool {
    task.key.kind == TaskKind::AutomationRuns
}

fn failed(task: &Task, code: &str, sentence: String, class: Class, outcome: Outcome) -> Event {
    Event::Task {
        event: TaskEvent::Failed {
            task: task.key,
            cause: Cause::new(code, sentence, class),
            outcome,
        },
    }
}

fn run_succeeded(release: &Release, task: &Task, product: &RunProduct, now: Timestamp) -> Vec<Event> {
    let mut events = Vec::new();
    let has_store_step = task.steps.len() > usize::from(task.next_step).saturating_add(1);
    if work::makes_build(task.key.kind) && !has_store_step {
        events.extend(build(release, task, product, now).map(|build| Event::BuildArrived { build }));
    }
    let step = StepResult::Ran {
        product: product.clone(),
    };
    let done = board::step_done(release, task, task.next_step, step, now);
    let done = done.into_iter().filter(|event| !completes_automation(event));
    events.extend(done.map(|event| Event::Task { event }));
    events
}

/// Whether automation's totals reach the threshold; without test management the run's own end decides.
#[must_use]
pub fn automation_passed(release: &Release, task: &Task) -> bool {
    match (&release.plan().testing, task.finding()) {
        (Some(testing), Some(Finding::Totals { totals })) => totals.reaches(testing.pass_threshold),
        (
            _,
            Some(
                Finding::Head { .. }
                | Finding::Notes { .. }
                | Finding::StoreBuild { .. }
                | Finding::Exposure { .. }
                | Finding::Totals { .. },
            ),
        ) => false,
        (_, None) => task.product().is_some_and(|product| !product.failed),
    }
}

/// The build a run or upload stands for.
#[must_use]
pub fn build(release: &Release, task: &Task, product: &RunProduct, now: Timestamp) -> Option<Build> {
    let target = task.key.target?;
    Some(Build {
        id: build_id(release.draft.id, &task.key, task.generation.0),
        target,
        task: task.key,
        build_number: product.build_number.clone().or_else(|| product.number.clone()),
        url: product.url.clone(),
        artifact_url: product.artifact_url.clone(),
        sha: product.sha.clone(),
        origin: if product.sha.is_some() {
            ShaOrigin::Observed
        } else {
            ShaOrigin::Absent
        },
        at: now,
    })
}

/// The id of a task generation's build.
#[must_use]
pub fn build_id(release: ReleaseId, task: &TaskKey, generation: u16) -> BuildId {
    BuildId::derived(&[
        release.uuid().as_bytes(),
        task.to_string().as_bytes(),
        &generation.to_be_bytes(),
    ])
}

/// A store build arrives when the store has processed it, with the store's own number.
fn build_of_store(release: &Release, report: &Report, now: Timestamp) -> Option<Build> {
    let Report::Resolved {
        key,
        resolved:
            crate::report::Resolved::Found {
                finding: Finding::StoreBuild { build: found },
            },
    } = report
    else {
        return None;
    };
    let task = release
        .board
        .find(&key.task)
        .filter(|task| task.is_at(key) && matches!(task.state, TaskState::Running { .. }))?;
    let product = task.product().cloned().unwrap_or_default();
    let mut made = build(release, task, &product, now)?;
    made.build_number = Some(found.build_number.clone());
    Some(made)
}

fn child_changed(release: &Release, target: crate::key::TargetKey, shipment: &Shipment) -> Vec<Event> {
    let key = super::catalogue::ship_task(target);
    let Some(task) = release.board.find(&key) else {
        return Vec::new();
    };
    if work::submission_id(release, task) != shipment.submission {
        return Vec::new();
    }
    // News may overtake each other. A rollout begins where its submission ends: what the submission says afterwards
    // does not take the rollout's place; each one's own news follow each other in time.
    let newer = |known: &Shipment| {
        let order = |it: &Shipment| (it.rollout.is_some(), it.state.at);
        #[cfg(delivr_sim)]
        if crate::sim::off(crate::sim::Rule::NewsInOrder) {
            return true;
        }
        known.submission != shipment.submission || order(shipment) > order(known)
    };
    if release.shipments.get(&target).is_some_and(|known| !newer(known)) {
        return Vec::new();
    }
    let was = release
        .shipments
        .get(&target)
        .and_then(|known| known.drift(target));
    let is = shipment.drift(target);
    // What was undone, decided or accepted is lifted; what is new holds the lane. One that a person has cleared is not
    // placed anew only because the child speaks of something else meanwhile.
    let (gone, new) = if was == is { (None, None) } else { (was, is) };
    let mut events = Vec::new();
    if let Some(hold) = gone.filter(|hold| release.holds.contains(hold)) {
        events.push(Event::HoldLifted { hold });
    }
    events.push(Event::ShipmentChanged {
        target,
        shipment: shipment.clone(),
    });
    if let Some(hold) = new.filter(|_| !release.terminal()) {
        events.push(Event::HoldPlaced { hold });
    }
    if matches!(task.state, TaskState::AwaitingChild { .. }) {
        events.extend(child_end(task, &shipment.state).map(|event| Event::Task { event }));
    }
    events
}

fn child_end(task: &Task, state: &ChildState) -> Option<TaskEvent> {
    if state.live {
        return Some(TaskEvent::Completed {
            task: task.key,
            output: board::Output::Child,
        });
    }
    let spent = matches!(state.status.as_str(), "REJECTED" | "CANCELLED" | "SUSPENDED");
    spent.then(|| TaskEvent::Failed {
        task: task.key,
        cause: Cause {
            vendor: state.store_words.clone(),
            ..Cause::new(
                "submission_ended",
                state.blocker.clone().unwrap_or_else(|| {
                    format!("the submission is {}; mend it and submit anew", state.status)
                }),
                Class::NeedsHuman,
            )
        },
        outcome: Outcome::Spent,
    })
}
