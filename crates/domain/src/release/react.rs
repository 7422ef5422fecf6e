//! What the world must do because of one event. Asked with the state directly after it; it never searches.

use super::event::Event;
use super::state::{Release, Stage};
use super::{children, notes, settle, work};
use crate::board::{self, Begin, Owner, Reaction, TaskEvent};
use crate::effect::Effect;
use crate::key::TaskKind;

/// Reactions to an event.
#[must_use]
pub fn react(before: &Release, release: &Release, event: &Event) -> Vec<Reaction> {
    let mut reactions = match event {
        Event::Task { event } => task(before, release, event),
        // A stage that is left ends its probes; a stage that is reached starts its own.
        Event::StageEntered { .. } | Event::Replanned { .. } => {
            let mut all: Vec<Reaction> = settle::probes(before)
                .iter()
                .map(|probe| Reaction::End(probe.id()))
                .collect();
            all.extend(settle::probes(release).into_iter().map(Reaction::Enqueue));
            all
        }
        Event::DriftCleared { hold, .. } => children::accept_drift(release, hold)
            .into_iter()
            .map(Reaction::Enqueue)
            .collect(),
        Event::Created { .. }
        | Event::KickoffStartedNow { .. }
        | Event::CycleStarted { .. }
        | Event::CycleEnded { .. }
        | Event::VerdictRecorded { .. }
        | Event::SlotAdded { .. }
        | Event::SlotChanged { .. }
        | Event::SlotRemoved { .. }
        | Event::SlotSkipped { .. }
        | Event::BuildArrived { .. }
        | Event::HoldPlaced { .. }
        | Event::HoldLifted { .. }
        | Event::Decided { .. }
        | Event::StageReleased { .. }
        | Event::ReminderFired { .. }
        | Event::ReminderSkipped { .. }
        | Event::Edited { .. }
        | Event::BuildModeChanged { .. }
        | Event::StoreNotesChanged { .. }
        | Event::ShipmentChanged { .. }
        | Event::FactChanged { .. }
        | Event::Archived { .. }
        | Event::Reworked { .. }
        | Event::RunCancelled { .. } => Vec::new(),
    };
    reactions.extend(
        children::tell_holds(release, event)
            .into_iter()
            .map(Reaction::Enqueue),
    );
    if is_news(before, event)
        && (release.stage != Stage::Archived
            || matches!(event, Event::Archived { .. } | Event::StageEntered { .. }))
    {
        reactions.extend(
            notes::messages(before, release, event)
                .into_iter()
                .map(Reaction::Enqueue),
        );
    }
    reactions
}

/// Whether people would see a difference: a store that says the same in other words is recorded and not told.
fn is_news(before: &Release, event: &Event) -> bool {
    let Event::ShipmentChanged { target, shipment } = event else {
        return true;
    };
    before.shipments.get(target).is_none_or(|known| {
        let seen = |it: &super::state::Shipment| {
            (
                it.submission,
                it.state.status.clone(),
                it.state.exposure,
                it.state.blocker.clone(),
            )
        };
        seen(known) != seen(shipment)
    })
}

fn task(before: &Release, release: &Release, event: &TaskEvent) -> Vec<Reaction> {
    let mut reactions = board::react(release, event);
    match event {
        TaskEvent::Started {
            task,
            begin: Begin::Child { .. },
            ..
        } if task.kind == TaskKind::SubmitToStore => {
            reactions.extend(children::birth(release, task).map(Reaction::Enqueue));
        }
        TaskEvent::Repeated { task } if task.kind == TaskKind::SubmitToStore => {
            let left = children::leave_behind(before, release, task);
            reactions.extend(left.map(Reaction::Enqueue));
        }
        TaskEvent::Cancelled { task } => {
            reactions.extend(cancel_run(before, task).map(Reaction::Enqueue));
            let left = children::leave_closed(before, release, task);
            reactions.extend(left.map(Reaction::Enqueue));
        }
        TaskEvent::Started { .. }
        | TaskEvent::Planned { .. }
        | TaskEvent::StepDone { .. }
        | TaskEvent::Parked { .. }
        | TaskEvent::Completed { .. }
        | TaskEvent::Failed { .. }
        | TaskEvent::Rearmed { .. }
        | TaskEvent::Repeated { .. }
        | TaskEvent::Skipped { .. }
        | TaskEvent::SkipRequested { .. }
        | TaskEvent::LookUpRequested { .. }
        | TaskEvent::LateResult { .. }
        | TaskEvent::Doubted { .. }
        | TaskEvent::DoubtDue { .. }
        | TaskEvent::DoubtSettled { .. } => {}
    }
    reactions
}

/// The run of a task that nobody waits for any more is asked to stop.
fn cancel_run(before: &Release, key: &crate::key::TaskKey) -> Option<Effect> {
    let task = before.board.find(key)?;
    let run = task.accepted_run()?.clone();
    let integration = work::integration_of(before.plan(), key)?;
    Some(Effect::CancelRun {
        key: before.effect_key(task, task.next_step),
        integration,
        run,
    })
}
