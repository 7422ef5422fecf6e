//! What a release says to its children: come to life, and which of its holds reach you.
//!
//! A child is told when the holds that reach its lane change, and again when its own news show that it knows of others: it
//! may have been born after it was told. What it is told carries the release's event number, so that a late, doubled or
//! overtaken word does no harm.

use super::event::Event;
use super::gate;
use super::hold::{self, Hold};
use super::state::Release;
use super::store_notes;
use super::work;
use crate::board::{Lane, Owner as _, Task, TaskState};
use crate::effect::{Effect, StoreVersion};
use crate::key::{AggregateId, AggregateKind, TargetKey, TaskKey};
use crate::report::{Held, HeldBy, Report, SubmissionStart};
use std::collections::BTreeMap;

/// The holds that reach a shipping task, as its child keeps them.
#[must_use]
pub fn holds_of(release: &Release, ship: &Task) -> Vec<HeldBy> {
    // What its own store has is the child's to tell, and a decision on it puts that right: it does not bar the decision.
    let own = ship.key.target.and_then(|target| {
        let shipment = release.shipments.get(&target)?;
        shipment.drift(target)
    });
    hold::holds(release)
        .iter()
        .filter(|hold| Some(*hold) != own.as_ref() && hold::blocks(release.plan(), hold, ship))
        .map(|hold| HeldBy {
            hold: hold.word().to_owned(),
            sentence: hold.sentence(),
        })
        .collect()
}

/// The child at work for a shipping task: its rollout once that was heard of, else its submission.
fn child_of(release: &Release, ship: &Task) -> Option<AggregateId> {
    let TaskState::AwaitingChild { child } = ship.state else {
        return None;
    };
    let shipment = ship.key.target.and_then(|target| release.shipments.get(&target));
    let rollout = shipment
        .filter(|it| it.submission.uuid() == child.id)
        .and_then(|it| it.rollout);
    Some(rollout.map_or(child, |rollout| AggregateId {
        kind: AggregateKind::Rollout,
        id: rollout.uuid(),
    }))
}

/// The holds of each target whose child is at work.
pub(super) fn holds_by_target(release: &Release) -> BTreeMap<TargetKey, Vec<HeldBy>> {
    let ships = release.board.lane(Lane::Distribution);
    ships
        .filter(|ship| matches!(ship.state, TaskState::AwaitingChild { .. }))
        .filter_map(|ship| Some((ship.key.target?, holds_of(release, ship))))
        .collect()
}

/// Tells the children at work which holds reach them, where this event changed that or showed that one knows less.
pub(super) fn tell_holds(release: &Release, event: &Event) -> Vec<Effect> {
    let mut tells = Vec::new();
    for ship in release.board.lane(Lane::Distribution) {
        let (Some(target), Some(to)) = (ship.key.target, child_of(release, ship)) else {
            continue;
        };
        let told = release.told.get(&target).copied().unwrap_or_default();
        let by = holds_of(release, ship);
        // A child may have been born after a newer word was lost on it, and before an older one arrives.
        let unaware = matches!(
            event,
            Event::ShipmentChanged { target: of, shipment }
                if *of == target && (shipment.state.held.as_of < told || shipment.state.held.by != by)
        );
        if told != release.version && !unaware {
            continue;
        }
        let held = Held {
            as_of: release.version,
            by,
        };
        tells.push(Effect::Tell {
            from: release.aggregate(),
            to,
            ordinal: (release.version, ordinal(target)),
            report: Box::new(Report::HoldsChanged { held }),
        });
    }
    tells
}

/// Tells the rollout whose drift a person has cleared that what its store has counts as decided.
pub(super) fn accept_drift(release: &Release, cleared: &Hold) -> Option<Effect> {
    let mut shipments = release.shipments.iter();
    let (target, shipment) =
        shipments.find(|(target, shipment)| shipment.drift(**target).as_ref() == Some(cleared))?;
    Some(Effect::Tell {
        from: release.aggregate(),
        to: AggregateId {
            kind: AggregateKind::Rollout,
            id: shipment.rollout?.uuid(),
        },
        ordinal: (release.version, ordinal(*target)),
        report: Box::new(Report::DriftAccepted {
            drift: shipment.state.drift.clone()?,
        }),
    })
}

/// Tells the child that a release which was sent back leaves behind that it goes no further: users must not get by an
/// old button what a new build is made to replace.
pub(super) fn leave_behind(before: &Release, release: &Release, ship: &TaskKey) -> Option<Effect> {
    let sentence = format!(
        "{} was sent back, and a new build takes the place of this one",
        release.key()
    );
    leave(before, release, ship, "SUPERSEDED", sentence)
}

/// Tells the child that a release which was given up or rolled back leaves behind that it goes no further: nobody watches
/// over the version any more, and a halted rollout must not be resumed by an old button.
pub(super) fn leave_closed(before: &Release, release: &Release, ship: &TaskKey) -> Option<Effect> {
    let sentence = format!("{} is closed, and this version goes no further", release.key());
    leave(before, release, ship, "CLOSED", sentence)
}

/// The last word to a child that its release waits for no more. It is never taken back: a child is told of holds only
/// while it is waited for.
fn leave(
    before: &Release,
    release: &Release,
    ship: &TaskKey,
    hold: &str,
    sentence: String,
) -> Option<Effect> {
    let target = ship.target?;
    let to = child_of(before, before.board.find(ship)?)?;
    let held = Held {
        as_of: release.version,
        by: vec![HeldBy {
            hold: hold.to_owned(),
            sentence,
        }],
    };
    Some(Effect::Tell {
        from: release.aggregate(),
        to,
        ordinal: (release.version, ordinal(target)),
        report: Box::new(Report::HoldsChanged { held }),
    })
}

/// Which tell of an event it is: the first is a birth, then one for each target.
fn ordinal(target: TargetKey) -> u16 {
    let place = TargetKey::ALL.iter().position(|it| *it == target);
    place
        .and_then(|place| u16::try_from(place).ok())
        .map_or(u16::MAX, |place| place.saturating_add(1))
}

/// Brings a shipping task's submission to life.
pub(super) fn birth(release: &Release, key: &TaskKey) -> Option<Effect> {
    let task = release.board.find(key)?;
    let target = key.target?;
    let plan = release.plan().targets.get(&target)?;
    let start = SubmissionStart {
        id: work::submission_id(release, task),
        tenant: release.draft.tenant,
        install: release.draft.install,
        release: release.draft.id,
        target,
        attempt: task.generation.0.saturating_add(1),
        integration: plan.store?,
        version: StoreVersion {
            version: plan.version.to_string(),
            build_number: gate::store_build_number(release, target)?,
            notes: store_notes::of_submission(release, target),
        },
        settings: plan.settings.clone(),
    };
    Some(Effect::Tell {
        from: release.aggregate_id(),
        to: work::submission_aggregate(release, task),
        ordinal: (release.version, 0),
        report: Box::new(Report::StartSubmission {
            start: Box::new(start),
        }),
    })
}
