//! What must be true when everything has come to its end.

use crate::check::{after_commit, at_once, state_of};
use crate::people::reasons;
use crate::run::children;
use crate::shared::Shared;
use crate::time::lock;
use crate::world::{World, run_of};
use delivr_domain::aggregate::Aggregate;
use delivr_domain::board::{Output, Task, TaskState};
use delivr_domain::key::{AggregateId, AggregateKind, TaskKind};
use delivr_domain::ports::store::{Queue as _, RowState};
use delivr_domain::release::state::{CycleState, Release, Stage};
use delivr_domain::release::work;
use delivr_domain::rollout::Status;
use delivr_testkit::memory::MemoryStore;
use std::collections::{BTreeMap, BTreeSet};

fn release(store: &MemoryStore, id: AggregateId) -> Box<Release> {
    match state_of(store, id) {
        Some(Aggregate::Release(release)) => release,
        Some(Aggregate::Submission(_) | Aggregate::Rollout(_)) | None => panic!("a release is a release"),
    }
}

pub fn completed(state: Option<&Aggregate>) -> bool {
    matches!(state, Some(Aggregate::Release(it)) if it.stage == Stage::Completed)
}

/// Whether every release is over and nothing of it is under way any more.
pub fn over(shared: &Shared, store: &MemoryStore, releases: &[AggregateId]) -> bool {
    releases.iter().all(|id| {
        let it = match lock(&shared.checker).last(*id) {
            Some(Aggregate::Release(it)) => it,
            Some(Aggregate::Submission(_) | Aggregate::Rollout(_)) | None => release(store, *id),
        };
        let cleaned = it.board.iter().all(|task| task.state.over());
        (it.stage == Stage::Completed || (it.terminal() && cleaned))
            && at_once(store.rows(*id, false)).unwrap().is_empty()
    })
}

/// People did what they could, and something is not over.
pub fn stuck(shared: &Shared, store: &MemoryStore, releases: &[AggregateId]) {
    for id in releases {
        let it = release(store, *id);
        let rows = at_once(store.rows(*id, false)).unwrap();
        let mut open: Vec<String> = it
            .board
            .iter()
            .filter(|task| !task.state.over())
            .map(|task| format!("{} {:?}", task.key, task.state))
            .collect();
        for child in children(store, *id) {
            if let Some(state) = state_of(store, child) {
                let board = state.owner().board();
                let tasks = board.iter().filter(|task| !task.state.over());
                open.extend(tasks.map(|task| format!("{child} {} {:?}", task.key, task.state)));
            }
        }
        shared.lost(format!(
            "{id} is {} after all that time; reasons {:?}; open {open:?}; rows {:?}",
            it.phase(),
            reasons(&it),
            rows.iter()
                .map(|row| format!(
                    "{} {} due {} {:?}",
                    row.effect.word(),
                    row.state,
                    row.due_at,
                    row.trouble
                ))
                .collect::<Vec<_>>()
        ));
    }
}

pub fn check(shared: &Shared, store: &MemoryStore, releases: &[AggregateId]) {
    for id in releases {
        after_commit(shared, store, *id, None);
        for child in children(store, *id) {
            after_commit(shared, store, child, None);
        }
        let it = release(store, *id);
        let world = lock(&shared.world);
        let mut wrong = Vec::new();
        if it.stage == Stage::Completed {
            shipped_what_was_tested(&it, &world, &mut wrong);
            for task in it.board.iter() {
                if matches!(
                    task.state,
                    TaskState::Completed {
                        output: Output::Steps | Output::Verdict { .. }
                    }
                ) {
                    exists_once(&it, task, &world, &mut wrong);
                }
            }
        }
        drop(world);
        for what in wrong {
            shared.lost(format!("{id}: {what}"));
        }
        if it.stage == Stage::Completed {
            as_the_children_say(shared, store, &it);
        }
        known(shared, store, *id);
    }
    once_each(shared, store, releases);
}

/// What a release says of its targets is what the last child to speak says of itself.
fn as_the_children_say(shared: &Shared, store: &MemoryStore, it: &Release) {
    for (target, shipment) in &it.shipments {
        let Some(rollout) = shipment.rollout else {
            continue;
        };
        let id = AggregateId {
            kind: AggregateKind::Rollout,
            id: rollout.uuid(),
        };
        let Some(Aggregate::Rollout(rollout)) = state_of(store, id) else {
            shared.lost(format!("{target}: the rollout {id} is gone"));
            continue;
        };
        // What is still being told is not known yet.
        if !at_once(store.rows(id, false)).unwrap().is_empty() {
            continue;
        }
        let says = (rollout.exposure, rollout.status == Status::Completed);
        let known = (shipment.state.exposure, shipment.state.live);
        if says != known {
            shared.lost(format!(
                "{target}: the rollout says {says:?}, the release knows {known:?}"
            ));
        }
    }
}

/// Whatever an attempt that counted has made is known to its owner, if only as something that came late.
fn known(shared: &Shared, store: &MemoryStore, id: AggregateId) {
    let rows = at_once(store.rows(id, true)).unwrap();
    let performs = rows
        .iter()
        .filter(|row| row.effect.word() == "PERFORM" && row.state == RowState::Done);
    let ended: BTreeSet<_> = performs.map(|row| row.id).collect();
    // Who looks once more for what may stand twice names nothing: the last one that names something counts.
    let mut last = BTreeMap::new();
    for one in at_once(store.attempts(id)).unwrap() {
        let named = one.reference.filter(|_| ended.contains(&one.effect));
        if let Some(reference) = named {
            last.insert(one.effect, (one.attempt, reference));
        }
    }
    let known = lock(&shared.checker);
    let unknown = last.into_values().filter(|(_, it)| !known.knows(id, it));
    let unknown: Vec<String> = unknown.map(|(_, it)| it).collect();
    drop(known);
    for reference in unknown {
        shared.lost(format!("{id}: nobody knows of {reference}"));
    }
}

/// However often a creation was sent, it made one release.
fn once_each(shared: &Shared, store: &MemoryStore, releases: &[AggregateId]) {
    let mut titles = BTreeMap::new();
    for id in releases {
        *titles.entry(release(store, *id).draft.title.clone()).or_insert(0) += 1;
    }
    for (title, times) in titles.into_iter().filter(|(_, times)| *times > 1) {
        shared.doubled(&format!("{times} releases called {title}"));
    }
}

/// Tag, tested commit and shipped build are one.
fn shipped_what_was_tested(it: &Release, world: &World, wrong: &mut Vec<String>) {
    let tested = it.judged_cycle().and_then(|cycle| cycle.sha.clone());
    let tagged = it
        .tag
        .as_ref()
        .and_then(|tag| world.refs.get(&format!("tags/{tag}")));
    if tested.is_none() || tagged != tested.as_ref() {
        wrong.push(format!("tag {tagged:?} is not what was tested, {tested:?}"));
    }
    for cycle in it.cycles.iter().filter(|cycle| cycle.state == CycleState::Done) {
        let tag = cycle
            .tag
            .as_ref()
            .and_then(|tag| world.refs.get(&format!("tags/{tag}")));
        if tag.is_none() || tag != cycle.sha.as_ref() {
            wrong.push(format!(
                "cycle {} is tagged at {tag:?}, tested {:?}",
                cycle.number, cycle.sha
            ));
        }
    }
    for (target, plan) in &it.plan().targets {
        let lives = it
            .task(&delivr_domain::release::catalogue::ship_task(*target))
            .is_some_and(|task| matches!(task.state, TaskState::Completed { .. }));
        if !lives {
            continue;
        }
        let built = it.store_build(*target);
        let sold = world.stores.sold(*target, &plan.version.to_string());
        match (built, sold) {
            (Some(built), Some(number)) => {
                if built.build_number.as_ref() != Some(&number) {
                    wrong.push(format!("{target} sells build {number}, made was {built:?}"));
                }
                // A release that was sent back leaves the targets that are out already as they are.
                if it.rework.times == 0 && built.sha.is_some() && built.sha != tested {
                    wrong.push(format!("{target} sells {:?}, tested was {tested:?}", built.sha));
                }
            }
            (built, sold) => wrong.push(format!("{target} lives without a build: {built:?} {sold:?}")),
        }
        if it
            .shipments
            .get(target)
            .is_none_or(|shipment| !shipment.state.live)
        {
            wrong.push(format!(
                "{target} lives, but the release says {:?}",
                it.shipments.get(target)
            ));
        }
    }
}

/// What a completed task made exists exactly once.
fn exists_once(it: &Release, task: &Task, world: &World, wrong: &mut Vec<String>) {
    let id = task.reference().map(|reference| reference.id.clone());
    let made = id.clone().unwrap_or_default();
    let skipped = usize::from(task.next_step) < task.steps.len();
    let same = |from: &[crate::world::Marked]| {
        let subject = from.iter().find(|it| it.id == made).map(|it| it.subject.clone());
        subject.map_or(0, |subject| {
            from.iter().filter(|it| it.subject == subject).count()
        })
    };
    let times = match task.key.kind {
        TaskKind::CreateProjectManagementTicket => same(&world.tickets),
        TaskKind::CreateTestSuite => same(&world.tests),
        TaskKind::ForkBranch => {
            // A database restored from before the release was given up does not know that its branch was deleted since.
            let branch = format!("heads/{made}");
            usize::from(world.refs.contains_key(&branch) || world.swept.contains(&branch))
        }
        TaskKind::CreateRcTag | TaskKind::CreateReleaseTag => {
            usize::from(world.refs.contains_key(&format!("tags/{made}")))
        }
        TaskKind::CreateFinalReleaseNotes if it.plan().scm.publishes_releases => {
            usize::from(world.published.values().any(|id| *id == made))
        }
        TaskKind::MergeBack => usize::from(world.pulls.values().any(|id| *id == made)),
        TaskKind::CloseReleaseTickets => {
            let tickets = delivr_domain::release::catalogue::tickets(it);
            let closed = |id: &String| world.tickets.iter().any(|it| it.id == *id && it.closed);
            usize::from(tickets.iter().all(closed))
        }
        TaskKind::TriggerAutomationRuns => world.runs.iter().filter(|run| run.id == made).count(),
        kind if work::makes_build(kind) => {
            let task = run_of(&task.key, it.aggregate_id());
            // Whoever skipped it did not wait for how its run ended.
            let ours = |run: &&crate::world::Run| {
                run.task == task && if skipped { run.id == made } else { !run.spent() }
            };
            world.runs.iter().filter(ours).count()
        }
        _ => 1,
    };
    if times != 1 {
        wrong.push(format!("{} made {id:?}, which exists {times} times", task.key));
    }
}
