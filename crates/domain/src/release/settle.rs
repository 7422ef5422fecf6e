//! What follows by itself: after every event, the next consequence, until there is none.
//!
//! Each answer makes its own condition false, so asking ends. Dates are compared with now on every input; therefore
//! resume, cycle end and an edited date need no wake-up of their own.

use super::catalogue;
use super::event::Event;
use super::gate::{self, Context};
use super::hold::{self, Scope};
use super::remind;
use super::state::{AutomationWanted, BuildsWanted, Cycle, CycleState, Release, Slot, Stage, Verdict};
use super::work;
use crate::board::{
    self, Begin, Lane, Manual, Output, Owner as _, Step, StepKind, StepResult, Task, TaskEvent, TaskState,
};
use crate::ids::CycleId;
use crate::key::TaskKind;
use crate::plan::{GatedStage, MissedSlot};
use crate::report::{Cause, Class, Outcome};
use crate::time::Timestamp;

/// The next consequence of the state, if it has one.
#[must_use]
pub fn settle(release: &Release, cx: &Context<'_>) -> Option<Event> {
    let task = |event| Event::Task { event };
    if release.terminal() {
        return board::doubt_due(&release.board, cx.now)
            .or_else(|| next_start(release, cx.now))
            .map(task);
    }
    remind::reminder(release, cx.now)
        .or_else(|| board::doubt_due(&release.board, cx.now).map(task))
        .or_else(|| board::overdue(&release.board, cx.now).map(task))
        .or_else(|| verdict(release).map(task))
        .or_else(|| unformed(release).map(task))
        .or_else(|| next_start(release, cx.now).map(task))
        .or_else(|| stage(release, cx))
}

/// Automation whose totals have been read comes to its verdict.
fn verdict(release: &Release) -> Option<TaskEvent> {
    release.board.iter().find_map(|task| {
        let finished = task.key.kind == TaskKind::AutomationRuns
            && matches!(task.state, TaskState::Running { step } if usize::from(step) >= task.steps.len());
        finished.then(|| TaskEvent::Completed {
            task: task.key,
            output: Output::Verdict {
                passed: super::report::automation_passed(release, task),
            },
        })
    })
}

/// A task whose next step cannot be formed fails and says so: running without a row, it would wait for ever.
fn unformed(release: &Release) -> Option<TaskEvent> {
    release.board.iter().find_map(|task| {
        let TaskState::Running { step } = task.state else {
            return None;
        };
        let open = usize::from(step) < task.steps.len();
        (open && release.step_effect(task, step).is_none()).then(|| {
            not_formed(
                task.key,
                "something it names is missing (branch, tag, test run or pipeline)",
            )
        })
    })
}

/// The next task that may start.
fn next_start(release: &Release, now: Timestamp) -> Option<TaskEvent> {
    release
        .board
        .iter()
        .filter(|task| matches!(task.state, TaskState::Pending) && release.board.unblocked_by_order(task))
        .filter(|task| lane_open(release, task))
        .find_map(|task| {
            if hold::is_blocked(release, task) {
                None
            } else {
                start(release, task, now)
            }
        })
}

/// Whether the task's stage has begun: after a rework, tasks of later stages wait for theirs to come again.
fn lane_open(release: &Release, task: &Task) -> bool {
    match task.lane {
        Lane::CleanUp => release.terminal(),
        Lane::Kickoff | Lane::Regression | Lane::Store => !release.terminal(),
        Lane::PreRelease => matches!(
            release.stage,
            Stage::PreRelease | Stage::AwaitingDistribution | Stage::Distribution | Stage::Completed
        ),
        Lane::Distribution => matches!(release.stage, Stage::Distribution | Stage::Completed),
    }
}

fn start(release: &Release, task: &Task, now: Timestamp) -> Option<TaskEvent> {
    let key = task.key;
    if key.kind == TaskKind::SubmitToStore {
        let connected = key
            .target
            .and_then(|target| release.plan().targets.get(&target))
            .is_some_and(|plan| plan.store.is_some());
        if !connected {
            return Some(not_formed(
                key,
                "the plan names no store integration for this target",
            ));
        }
        let unnamed = key
            .target
            .is_none_or(|target| gate::store_build_number(release, target).is_none());
        if unnamed {
            let sentence =
                "nobody has said which build is submitted: send the release back to PRE_RELEASE and name it";
            return Some(TaskEvent::Failed {
                task: key,
                cause: Cause::new("build_not_named", sentence, Class::NeedsHuman),
                outcome: Outcome::NotDone,
            });
        }
        let child = work::submission_aggregate(release, task);
        return Some(TaskEvent::Started {
            task: key,
            steps: Vec::new(),
            begin: Begin::Child { child },
        });
    }
    // Whose run was accepted goes on with it, wherever later builds come from.
    let run_accepted = task
        .done
        .iter()
        .any(|(_, result)| !matches!(result, StepResult::Found { .. }));
    if !run_accepted && work::is_manual(release.plan(), &key) {
        let target = key
            .target
            .map_or_else(String::new, |target| format!(" for {target}"));
        let sentence = if work::makes_build(key.kind) {
            format!("upload the build{target}, or name the one you made")
        } else {
            format!(
                "no pipeline is set up for this step{target}: do it by hand and complete the task, or skip it with a reason"
            )
        };
        return Some(TaskEvent::Started {
            task: key,
            // Kept, so that a row parked before the person was asked ends.
            steps: task.steps.clone(),
            begin: Begin::Manual {
                what: Manual { sentence },
            },
        });
    }
    let steps: Vec<Step> = if task.steps.is_empty() {
        work::steps(release, &key)
    } else {
        task.steps.clone()
    };
    if steps.is_empty() {
        return Some(TaskEvent::Skipped {
            task: key,
            reason: "there is nothing to do".to_owned(),
        });
    }
    let begin = match steps.get(usize::from(task.next_step)).map(|step| step.kind) {
        Some(StepKind::Watch) => {
            let mut ready = task.clone();
            ready.steps.clone_from(&steps);
            match release.wait_of(&ready, now) {
                Some(wait) => Begin::Wait { wait },
                // A person completed or skipped what would have started the run: there is nothing to wait for.
                None => {
                    return Some(TaskEvent::Skipped {
                        task: key,
                        reason: "there is no run to wait for".to_owned(),
                    });
                }
            }
        }
        Some(_) | None => {
            let mut ready = task.clone();
            ready.steps.clone_from(&steps);
            // A running task without a row would wait for ever: what cannot be formed fails and says so.
            if release.step_effect(&ready, task.next_step).is_none() {
                return Some(not_formed(
                    key,
                    "something it names is missing (branch, tag, test run or pipeline)",
                ));
            }
            Begin::Step
        }
    };
    Some(TaskEvent::Started {
        task: key,
        steps,
        begin,
    })
}

fn not_formed(task: crate::key::TaskKey, what: &str) -> TaskEvent {
    let sentence =
        format!("this step cannot be formed: {what}; complete the task by hand, or skip it with a reason");
    TaskEvent::Failed {
        task,
        cause: Cause::new("step_not_formed", sentence, Class::NeedsHuman),
        outcome: Outcome::NotDone,
    }
}

fn stage(release: &Release, cx: &Context<'_>) -> Option<Event> {
    let enter = |stage| Some(Event::StageEntered { stage });
    match release.stage {
        Stage::NotStarted => {
            let due = release.draft.kickoff_at <= cx.now && !hold::is_stopped(release, Scope::Staging);
            if due { enter(Stage::Kickoff) } else { None }
        }
        Stage::Kickoff => planned_or(
            release,
            Lane::Kickoff,
            catalogue::kickoff,
            Stage::AwaitingRegression,
        ),
        Stage::AwaitingRegression => gate_opens(release, GatedStage::Regression, Stage::Regression, cx),
        Stage::Regression => regression(release, cx.now),
        Stage::AwaitingPreRelease => {
            // A slot added now reopens regression.
            if release.slots.is_empty() {
                gate_opens(release, GatedStage::PreRelease, Stage::PreRelease, cx)
            } else {
                enter(Stage::Regression)
            }
        }
        Stage::PreRelease => planned_or(
            release,
            Lane::PreRelease,
            catalogue::pre_release,
            Stage::AwaitingDistribution,
        ),
        Stage::AwaitingDistribution => gate_opens(release, GatedStage::Distribution, Stage::Distribution, cx),
        Stage::Distribution => planned_or(
            release,
            Lane::Distribution,
            catalogue::distribution,
            Stage::Completed,
        ),
        Stage::Completed | Stage::RolledBack | Stage::Archived => None,
    }
}

fn planned_or(
    release: &Release,
    lane: Lane,
    tasks: fn(&Release) -> Vec<crate::board::PlannedTask>,
    next: Stage,
) -> Option<Event> {
    if release.board.lane(lane).next().is_none() {
        return Some(Event::Task {
            event: TaskEvent::Planned {
                tasks: tasks(release),
            },
        });
    }
    release
        .lane_settled(lane)
        .then_some(Event::StageEntered { stage: next })
}

fn gate_opens(release: &Release, stage: GatedStage, next: Stage, cx: &Context<'_>) -> Option<Event> {
    let scope = if stage == GatedStage::Distribution {
        Scope::Production
    } else {
        Scope::Staging
    };
    if hold::is_stopped(release, scope) {
        return None;
    }
    let let_through = release.released.contains(&stage);
    let by_itself =
        release.plan().auto_start.contains(&stage) && gate::blockers(release, stage, cx).is_empty();
    (let_through || by_itself).then_some(Event::StageEntered { stage: next })
}

fn regression(release: &Release, now: Timestamp) -> Option<Event> {
    if let Some(cycle) = release.active_cycle() {
        let mut tasks = release
            .board
            .lane(Lane::Regression)
            .filter(|task| task.key.cycle == Some(cycle.number))
            .peekable();
        if tasks.peek().is_none() {
            let (builds, automation) = cycle_options(release);
            let tasks = catalogue::cycle(release, cycle.number, builds, automation);
            return Some(Event::Task {
                event: TaskEvent::Planned { tasks },
            });
        }
        return tasks.all(|task| task.state.over()).then(|| Event::CycleEnded {
            cycle: cycle.number,
            state: CycleState::Done,
            verdict: judge(release, cycle),
            note: None,
        });
    }
    if hold::is_stopped(release, Scope::Staging) {
        return None;
    }
    let overdue: Vec<&Slot> = release.slots.values().filter(|slot| slot.at <= now).collect();
    if let Some(skipped) = overdue
        .iter()
        .find(|slot| slot.missed == MissedSlot::Skip && missed(slot, now))
    {
        return Some(Event::SlotSkipped { slot: skipped.id });
    }
    if !overdue.is_empty() {
        return Some(start_cycle(
            release,
            overdue.iter().map(|slot| slot.id).collect(),
            now,
        ));
    }
    (release.slots.is_empty() && enough_cycles(release)).then_some(Event::StageEntered {
        stage: Stage::AwaitingPreRelease,
    })
}

fn enough_cycles(release: &Release) -> bool {
    release.plan().allow_zero_cycles || release.cycles.iter().any(|cycle| cycle.state == CycleState::Done)
}

/// Whether regression waits for a cycle that nothing will start by itself.
#[must_use]
pub fn lacks_cycle(release: &Release) -> bool {
    release.stage == Stage::Regression
        && release.active_cycle().is_none()
        && release.slots.is_empty()
        && !enough_cycles(release)
}

/// A slot counts as missed when a whole quarter of an hour has passed since its time.
fn missed(slot: &Slot, now: Timestamp) -> bool {
    now - slot.at > crate::time::Span::minutes(15)
}

/// The event that begins the next cycle and uses up the slots.
#[must_use]
pub fn start_cycle(release: &Release, slots: Vec<crate::ids::SlotId>, now: Timestamp) -> Event {
    let number = u16::try_from(release.cycles.len())
        .unwrap_or(u16::MAX)
        .saturating_add(1);
    let id = CycleId::derived(&[release.draft.id.uuid().as_bytes(), &number.to_be_bytes()]);
    let cycle = Cycle {
        id,
        number,
        state: CycleState::InProgress,
        verdict: Verdict::Unknown,
        verdict_note: None,
        sha: None,
        tag: None,
        started_at: now,
        ended_at: None,
        builds: wanted(release, &slots, |slot| slot.builds == BuildsWanted::Build).map_or(
            BuildsWanted::Build,
            |any| {
                if any {
                    BuildsWanted::Build
                } else {
                    BuildsWanted::NoBuild
                }
            },
        ),
        automation: wanted(release, &slots, |slot| slot.automation == AutomationWanted::Run).map_or(
            AutomationWanted::Run,
            |any| {
                if any {
                    AutomationWanted::Run
                } else {
                    AutomationWanted::NoRun
                }
            },
        ),
    };
    Event::CycleStarted { cycle, slots }
}

/// Whether any of the used slots wants it; none when no slot is used.
fn wanted(release: &Release, slots: &[crate::ids::SlotId], what: impl Fn(&Slot) -> bool) -> Option<bool> {
    if slots.is_empty() {
        None
    } else {
        Some(slots.iter().filter_map(|id| release.slots.get(id)).any(what))
    }
}

fn cycle_options(release: &Release) -> (BuildsWanted, AutomationWanted) {
    release
        .active_cycle()
        .map_or((BuildsWanted::Build, AutomationWanted::Run), |cycle| {
            (cycle.builds, cycle.automation)
        })
}

fn judge(release: &Release, cycle: &Cycle) -> Verdict {
    if cycle.verdict != Verdict::Unknown {
        return cycle.verdict;
    }
    let mut said = release
        .board
        .iter()
        .filter(|task| task.key.kind == TaskKind::AutomationRuns && task.key.cycle == Some(cycle.number))
        .filter_map(|task| match &task.state {
            TaskState::Completed {
                output: Output::Verdict { passed },
            } => Some(*passed),
            TaskState::Completed { .. }
            | TaskState::Pending
            | TaskState::Running { .. }
            | TaskState::AwaitingCallback { .. }
            | TaskState::AwaitingManual { .. }
            | TaskState::AwaitingChild { .. }
            | TaskState::Failed { .. }
            | TaskState::Skipped { .. }
            | TaskState::Cancelled => None,
        });
    match said.next() {
        None => Verdict::Unknown,
        Some(first) if first && said.all(|passed| passed) => Verdict::Passed,
        Some(_) => Verdict::Failed,
    }
}

/// Instants at which something follows by itself. What a hold or an open cycle blocks is not in it.
#[must_use]
pub fn agenda(release: &Release) -> Vec<Timestamp> {
    let mut all = dates(release);
    all.extend(remind::next_wait_reminder(release));
    all
}

/// As [`agenda`], without the reminders of what waits for people: nothing but a message follows from those.
#[must_use]
pub fn dates(release: &Release) -> Vec<Timestamp> {
    // What may stand twice at a vendor is looked for however the release ended.
    let mut all: Vec<Timestamp> = release.board.doubts_due().collect();
    if release.terminal() || release.stage == Stage::Completed {
        return all;
    }
    all.extend(remind::reminders_of_dates(release).into_iter().map(|(_, at)| at));
    all.extend(release.board.iter().filter_map(|task| match &task.state {
        TaskState::AwaitingCallback { deadline, .. } => Some(*deadline),
        TaskState::Pending
        | TaskState::Running { .. }
        | TaskState::AwaitingManual { .. }
        | TaskState::AwaitingChild { .. }
        | TaskState::Completed { .. }
        | TaskState::Failed { .. }
        | TaskState::Skipped { .. }
        | TaskState::Cancelled => None,
    }));
    if !hold::is_stopped(release, Scope::Staging) {
        match release.stage {
            Stage::NotStarted => all.push(release.draft.kickoff_at),
            Stage::Regression if release.active_cycle().is_none() => {
                all.extend(release.slots.values().map(|slot| slot.at));
            }
            Stage::Regression
            | Stage::Kickoff
            | Stage::AwaitingRegression
            | Stage::AwaitingPreRelease
            | Stage::PreRelease
            | Stage::AwaitingDistribution
            | Stage::Distribution
            | Stage::Completed
            | Stage::RolledBack
            | Stage::Archived => {}
        }
    }
    all
}

/// The facts a waiting auto-start has probed again and again.
#[must_use]
pub fn probes(release: &Release) -> Vec<crate::effect::Effect> {
    let stage = match release.stage {
        Stage::AwaitingPreRelease => GatedStage::PreRelease,
        Stage::AwaitingDistribution => GatedStage::Distribution,
        Stage::NotStarted
        | Stage::Kickoff
        | Stage::AwaitingRegression
        | Stage::Regression
        | Stage::PreRelease
        | Stage::Distribution
        | Stage::Completed
        | Stage::RolledBack
        | Stage::Archived => return Vec::new(),
    };
    if !release.plan().auto_start.contains(&stage) {
        return Vec::new();
    }
    gate::facts_needed(release, stage)
        .into_iter()
        .filter_map(|fact| probe(release, fact))
        .collect()
}

/// The effect that reads a fact now.
#[must_use]
pub fn probe(release: &Release, fact: crate::effect::FactKind) -> Option<crate::effect::Effect> {
    let plan = release.plan();
    let (integration, subject) = match fact {
        crate::effect::FactKind::BranchHead => {
            (plan.scm.integration, vec![release.branch.as_ref()?.to_string()])
        }
        crate::effect::FactKind::TicketsApproved => {
            (plan.tracker.as_ref()?.integration, catalogue::tickets(release))
        }
    };
    Some(crate::effect::Effect::Probe {
        owner: release.aggregate_id(),
        integration,
        fact,
        subject,
    })
}
