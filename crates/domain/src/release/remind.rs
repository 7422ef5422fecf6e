//! Reminders: of dates that come near, and of what waits for a person.
//!
//! A wait for a vendor has a deadline; a wait for a person has none, and would be forgotten after the one message that
//! announced it. So people are told again each working day, those who look after what is critical too when it has lasted
//! long, and nobody any more when it has lasted so long that it has been given up.
//!
//! A reminder's key contains the date it is for: it fires once, and an edited date makes another reminder.

use super::event::Event;
use super::hold::{self, Hold, Scope};
use super::state::{Release, Slot, Stage};
use crate::board::TaskState;
use crate::effect::ReleaseTiming;
use crate::key::{Channel, TargetKey};
use crate::plan::{StoreSettings, SubmitMode};
use crate::report::{ChildState, ReviewWord};
use crate::time::{Span, Timestamp};
use chrono::{DateTime, Datelike as _, Utc, Weekday};

/// How long before a slot people are reminded of it.
pub const SLOT_REMINDER_MINUTES: i64 = 60;
/// How long something waits for a person until people are told again, each time.
pub const WAIT_REMINDER_HOURS: i64 = 24;
/// From how long a wait on its reminders go to those who look after what is critical, too.
pub const WAIT_CRITICAL_DAYS: i64 = 3;
/// How long a wait lasts until nobody is reminded of it any more.
pub const WAIT_GIVEN_UP_DAYS: i64 = 28;

/// How the key of a reminder of waits begins.
const WAITS: &str = "WAIT_REMINDER/";

/// Something that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    /// What, and who must do what.
    pub sentence: String,
    /// Since when.
    pub since: Timestamp,
}

/// The next reminder that is due, as what happens.
pub(super) fn reminder(release: &Release, now: Timestamp) -> Option<Event> {
    let (key, _at) = due_reminders(release).into_iter().find(|(_, at)| *at <= now)?;
    // It is for the time it comes at: after an outage those of the days before are one with it.
    let reminder = if of_waits(&key) { wait_reminder(now) } else { key };
    Some(Event::ReminderFired { reminder })
}

/// Reminders still to come, with the key that contains the date each is for.
#[must_use]
pub fn due_reminders(release: &Release) -> Vec<(String, Timestamp)> {
    let mut all = reminders_of_dates(release);
    all.extend(next_wait_reminder(release).map(|at| (wait_reminder(at), at)));
    all
}

/// Those of dates that come near.
pub(super) fn reminders_of_dates(release: &Release) -> Vec<(String, Timestamp)> {
    let mut all = Vec::new();
    if release.stage == Stage::NotStarted
        && let Some(at) = release.draft.kickoff_reminder_at
    {
        all.push((kickoff_reminder(release.draft.kickoff_at, at), at));
    }
    if matches!(
        release.stage,
        Stage::Kickoff | Stage::AwaitingRegression | Stage::Regression
    ) {
        for slot in release.slots.values() {
            let (reminder, at) = slot_reminder(slot);
            // A slot planned at shorter notice than the reminder's lead has nothing left to remind of.
            if at > release.created_at {
                all.push((reminder, at));
            }
        }
    }
    all.retain(|(key, _)| !release.reminders.contains(key));
    all
}

/// The key of the kickoff's reminder: for which kickoff, and when. An edit of either makes another reminder.
#[must_use]
pub fn kickoff_reminder(kickoff_at: Timestamp, at: Timestamp) -> String {
    format!(
        "PRE_KICKOFF_REMINDER/{}/{}",
        kickoff_at.to_rfc3339(),
        at.to_rfc3339()
    )
}

/// The key of a slot's reminder, with the date it is for, and when it is due.
#[must_use]
pub fn slot_reminder(slot: &Slot) -> (String, Timestamp) {
    let at = slot.at - Span::minutes(SLOT_REMINDER_MINUTES);
    let key = format!("REGRESSION_KICKOFF_REMINDER/{}/{}", slot.id, slot.at.to_rfc3339());
    (key, at)
}

fn wait_reminder(at: Timestamp) -> String {
    format!("{WAITS}{}", at.to_rfc3339())
}

/// Whether a key is that of a reminder of waits.
#[must_use]
pub fn of_waits(key: &str) -> bool {
    key.starts_with(WAITS)
}

/// When a reminder of waits came.
#[must_use]
pub fn of_waits_at(key: &str) -> Option<Timestamp> {
    let at = DateTime::parse_from_rfc3339(key.strip_prefix(WAITS)?).ok()?;
    Some(at.with_timezone(&Utc))
}

/// Notes that a reminder fired or passed by. Of those of waits the last one says all.
pub(super) fn note(release: &mut Release, reminder: &str) {
    if of_waits(reminder) {
        release.reminders.retain(|key| !of_waits(key));
    }
    release.reminders.insert(reminder.to_owned());
}

/// What waits for a person, the longest first. Nothing does while a person holds the whole release.
#[must_use]
pub fn waits(release: &Release) -> Vec<Wait> {
    if release.terminal() || release.stage == Stage::Completed || hold::is_stopped(release, Scope::Everything)
    {
        return Vec::new();
    }
    let mut all: Vec<Wait> = release
        .board
        .iter()
        .filter_map(|task| match &task.state {
            TaskState::AwaitingManual { what } => Some(Wait {
                sentence: format!("{}: {}", task.key, what.sentence),
                since: task.started_at?,
            }),
            TaskState::Failed { cause, .. } => Some(Wait {
                sentence: format!("{} failed: {}", task.key, cause.sentence),
                since: task.ended_at?,
            }),
            TaskState::Pending
            | TaskState::Running { .. }
            | TaskState::AwaitingCallback { .. }
            | TaskState::AwaitingChild { .. }
            | TaskState::Completed { .. }
            | TaskState::Skipped { .. }
            | TaskState::Cancelled => None,
        })
        .collect();
    // States of before it was noted: since the last thing that happened.
    let entered = release.stage_since.unwrap_or(release.updated_at);
    all.extend(hold::holds(release).iter().filter_map(|hold| {
        let since = match hold {
            Hold::AwaitingApproval { .. } => entered,
            Hold::AwaitingCycle => {
                let ended = release.cycles.last().and_then(|cycle| cycle.ended_at);
                ended.map_or(entered, |ended| ended.max(entered))
            }
            Hold::UserPaused { .. }
            | Hold::Blocked { .. }
            | Hold::TaskFailed { .. }
            | Hold::IntegrationInvalid { .. }
            | Hold::Drift { .. }
            // Told by its lane, from when the lane stands so.
            | Hold::InStore { .. }
            | Hold::Quarantine { .. } => return None,
        };
        Some(Wait {
            sentence: hold.sentence(),
            since,
        })
    }));
    all.extend(release.shipments.iter().filter_map(|(target, shipment)| {
        let sentence = of_lane(release, *target, &shipment.state)?;
        Some(Wait {
            sentence: format!("{target}: {sentence}"),
            since: *release.lanes_since.get(target)?,
        })
    }));
    all.sort_by_key(|wait| wait.since);
    all
}

/// What a store's lane waits for, if it is a person.
fn of_lane(release: &Release, target: TargetKey, state: &ChildState) -> Option<String> {
    if let Some(blocker) = &state.blocker {
        return Some(blocker.clone());
    }
    if state.asked {
        return None;
    }
    let settings = &release.plan().targets.get(&target)?.settings;
    let sentence = if state.status == ReviewWord::Preparing.word() && settings.submit == SubmitMode::ByPerson
    {
        "the version is not handed in yet: submit it"
    } else if state.status == ReviewWord::Approved.word() && settings.timing == ReleaseTiming::Manual {
        "the store has approved the version: release it to its users"
    } else {
        return of_rollout(target, settings, state);
    };
    Some(sentence.to_owned())
}

/// What a rollout waits for that only a person raises, while it rests at a part of the users. Apple raises its own, and
/// one whose steps have a time is raised by that.
fn of_rollout(target: TargetKey, settings: &StoreSettings, state: &ChildState) -> Option<String> {
    let by_person = target.channel() == Channel::PlayStore && settings.step_minutes.is_none();
    let rests = state.status == ReviewWord::Live.word() && !state.live && state.exposure > 0;
    (by_person && rests).then(|| {
        let percent = f64::from(state.exposure) / 100.0;
        format!("its rollout rests at {percent} per cent of the users: raise it, complete it, or halt it")
    })
}

/// When people are next reminded of what waits for them. None of a release that is over: nothing of it waits.
pub(super) fn next_wait_reminder(release: &Release) -> Option<Timestamp> {
    let last = release.reminders.iter().filter_map(|key| of_waits_at(key)).max();
    let of_wait = |wait: Wait| {
        let from = last.map_or(wait.since, |last| last.max(wait.since));
        let at = on_a_working_day(from + Span::hours(WAIT_REMINDER_HOURS));
        (at - wait.since <= Span::days(WAIT_GIVEN_UP_DAYS)).then_some(at)
    };
    waits(release).into_iter().filter_map(of_wait).min()
}

/// The same time of day on the next day people work on, in UTC.
fn on_a_working_day(at: Timestamp) -> Timestamp {
    match at.weekday() {
        Weekday::Sat => at + Span::days(2),
        Weekday::Sun => at + Span::days(1),
        Weekday::Mon | Weekday::Tue | Weekday::Wed | Weekday::Thu | Weekday::Fri => at,
    }
}
