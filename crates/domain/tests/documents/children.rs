//! Submissions and rollouts: every state that can be reached within a few moves, from every kind of start.

use super::common::{answer, plan, start};
use super::inputs::bad_answers;
use super::lab::{Seen, Subject, command_word, tag};
use delivr_domain::aggregate::{Aggregate, Command, Input};
use delivr_domain::effect::{Effect, Reading, ReleaseTiming, StoreVersion, Watched};
use delivr_domain::ids::{InstallId, IntegrationId, ReleaseId, RolloutId, SubmissionId, TenantId};
use delivr_domain::key::TargetKey;
use delivr_domain::plan::{StoreSettings, SubmitMode};
use delivr_domain::release::gate::Context;
use delivr_domain::report::{
    Exposure, ExposureWord, Finding, Held, HeldBy, Report, Resolved, ReviewState, ReviewWord, RolloutStart,
    Sighting, SubmissionStart,
};
use delivr_domain::time::Span;
use delivr_domain::{rollout, submission};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// States looked at per start; the machines have far fewer kinds of state.
const BOUND: usize = 120;

fn id<T>(make: fn(uuid::Uuid) -> T, n: u128) -> T {
    make(uuid::Uuid::from_u128(n))
}

fn version() -> StoreVersion {
    StoreVersion {
        version: "1.4.0".to_owned(),
        build_number: "41".to_owned(),
        notes: BTreeMap::from([("en-US".to_owned(), "- a change".to_owned())]),
    }
}

pub(crate) fn submission_start(target: TargetKey, settings: StoreSettings) -> SubmissionStart {
    SubmissionStart {
        id: id(SubmissionId::from_uuid, 300),
        tenant: id(TenantId::from_uuid, 101),
        install: id(InstallId::from_uuid, 102),
        release: id(ReleaseId::from_uuid, 100),
        target,
        attempt: 1,
        integration: id(IntegrationId::from_uuid, 5),
        version: version(),
        settings,
    }
}

pub(crate) fn rollout_start(target: TargetKey, settings: StoreSettings, exposure: u16) -> RolloutStart {
    RolloutStart {
        id: id(RolloutId::from_uuid, 400),
        tenant: id(TenantId::from_uuid, 101),
        install: id(InstallId::from_uuid, 102),
        release: id(ReleaseId::from_uuid, 100),
        submission: id(SubmissionId::from_uuid, 300),
        target,
        integration: id(IntegrationId::from_uuid, 5),
        version: version(),
        settings,
        exposure,
        held: Held::default(),
    }
}

/// A submission and a rollout as they begin.
pub(crate) fn begun() -> Vec<Aggregate> {
    let target = TargetKey::IosAppStore;
    let settings = plan(&[target]).targets[&target].settings.clone();
    let facts = BTreeMap::new();
    let cx = Context {
        now: start(),
        actor: "pat",
        facts: &facts,
    };
    [
        Report::StartSubmission {
            start: Box::new(submission_start(target, settings.clone())),
        },
        Report::StartRollout {
            start: Box::new(rollout_start(target, settings, 100)),
        },
    ]
    .iter()
    .map(|birth| Aggregate::birth(birth, &cx).expect("comes to life").state)
    .collect()
}

/// Every start that makes a difference.
pub(crate) fn all(seen: &mut Seen) {
    for target in [TargetKey::AndroidPlayStore, TargetKey::IosAppStore] {
        let settings = plan(&[target]).targets[&target].settings.clone();
        for submit in [SubmitMode::Auto, SubmitMode::ByPerson] {
            let settings = StoreSettings {
                submit,
                timing: ReleaseTiming::Manual,
                ..settings.clone()
            };
            let start = Box::new(submission_start(target, settings));
            explore(seen, &Report::StartSubmission { start });
        }
        for (step_minutes, exposure) in [(None, 100), (Some(60), 100), (None, 10_000)] {
            let settings = StoreSettings {
                step_minutes,
                ..settings.clone()
            };
            let start = Box::new(rollout_start(target, settings, exposure));
            explore(seen, &Report::StartRollout { start });
        }
    }
}

fn explore(seen: &mut Seen, birth: &Report) {
    let facts = BTreeMap::new();
    let cx = Context {
        now: start(),
        actor: "pat",
        facts: &facts,
    };
    let stepped = Aggregate::birth(birth, &cx).expect("comes to life");
    let first = Subject::born(&stepped, start(), seen);
    let mut known = BTreeSet::from([kind_of_state(&first.state)]);
    let mut queue = VecDeque::from([first]);
    let mut looked = 0;
    while let Some(subject) = queue.pop_front() {
        looked += 1;
        if looked > BOUND {
            return;
        }
        for next in neighbours(seen, &subject) {
            if known.insert(kind_of_state(&next.state)) {
                queue.push_back(next);
            }
        }
    }
}

/// What distinguishes states: all but instants and counters.
fn kind_of_state(state: &Aggregate) -> String {
    let tasks: BTreeSet<String> = state
        .owner()
        .board()
        .iter()
        .filter(|task| !task.state.over())
        .map(|task| {
            format!(
                "{} {} {}",
                task.key.kind,
                tag(&task.state, "state"),
                task.next_step
            )
        })
        .collect();
    match state {
        Aggregate::Submission(it) => {
            format!("{} {} {} {tasks:?}", it.status, it.submit_asked, it.release_asked)
        }
        Aggregate::Rollout(it) => {
            format!("{} {} {} {tasks:?}", it.status, it.exposure, it.drift.is_some())
        }
        Aggregate::Release(_) => panic!("not a release"),
    }
}

fn neighbours(seen: &mut Seen, subject: &Subject) -> Vec<Subject> {
    let mut found = Vec::new();
    for command in commands(&subject.state) {
        let mut copy = subject.clone();
        let outcome = copy.input(seen, Input::Command(&command));
        let word = command_word(&command);
        seen.tried(&word, &column(&subject.state), outcome);
        found.push(copy);
    }
    // The same commands while a hold of the release reaches it; where it stands is not changed by that.
    let mut held = subject.clone();
    held.report(seen, &holds_changed(1));
    for command in commands(&held.state) {
        let mut copy = held.clone();
        let outcome = copy.input(seen, Input::Command(&command));
        seen.tried(&command_word(&command), &column(&held.state), outcome);
    }
    held.report(seen, &holds_changed(2));
    for effect in subject.state.outstanding() {
        let mut reports: Vec<Report> = answer(&effect).map(|(_, report)| report).into_iter().collect();
        reports.extend(bad_answers(&effect).into_iter().map(|(_, report)| report));
        reports.extend(sightings(&effect));
        for report in reports {
            let mut copy = subject.clone();
            copy.report(seen, &report);
            found.push(copy);
        }
    }
    for span in [Span::hours(2), Span::days(90)] {
        let mut copy = subject.clone();
        copy.wait(seen, span);
        found.push(copy);
    }
    found
}

/// The release is paused, and then resumed.
pub(crate) fn holds_changed(as_of: u64) -> Report {
    let pause = HeldBy {
        hold: "USER_PAUSED".to_owned(),
        sentence: "pat paused the release: resume it".to_owned(),
    };
    let by = if as_of == 1 { vec![pause] } else { Vec::new() };
    Report::HoldsChanged {
        held: Held { as_of, by },
    }
}

/// The column of the command tables.
pub(crate) fn column(state: &Aggregate) -> String {
    match state {
        Aggregate::Submission(it) => format!("SUBMISSION {}", it.status),
        Aggregate::Rollout(it) => format!("ROLLOUT {} {}", it.start.target.channel(), it.status),
        Aggregate::Release(it) => it.phase().to_string(),
    }
}

fn commands(state: &Aggregate) -> Vec<Command> {
    let failed = state.owner().board().iter().find(|task| task.failure().is_some());
    let any = state.owner().board().iter().next();
    let task = failed.or(any).map(|task| task.key).expect("a task");
    let reason = || "because".to_owned();
    match state {
        Aggregate::Submission(_) => [
            submission::Command::Submit,
            submission::Command::Release { reason: None },
            submission::Command::Cancel {
                reason: "a bug".to_owned(),
            },
            submission::Command::Retry { task },
        ]
        .into_iter()
        .map(Command::Submission)
        .collect(),
        Aggregate::Rollout(_) => [
            rollout::Command::Advance {
                bps: None,
                reason: reason(),
            },
            rollout::Command::Pause { reason: reason() },
            rollout::Command::Resume { reason: reason() },
            rollout::Command::Halt { reason: reason() },
            rollout::Command::Complete { reason: reason() },
            rollout::Command::Retry { task },
        ]
        .into_iter()
        .map(Command::Rollout)
        .collect(),
        Aggregate::Release(_) => panic!("not a release"),
    }
}

/// Everything a store can show, and every read-back of a decision.
fn sightings(effect: &Effect) -> Vec<Report> {
    let exposures = |bps: &'static [u16]| {
        ExposureWord::ALL.iter().flat_map(move |word| {
            bps.iter().map(move |bps| Exposure {
                word: *word,
                bps: if *word == ExposureWord::Completed {
                    10_000
                } else {
                    *bps
                },
                store_word: word.to_string(),
            })
        })
    };
    match effect {
        Effect::Watch {
            key,
            watched: Watched::Review { .. },
            ..
        } => ReviewWord::ALL
            .iter()
            .map(|word| ReviewState {
                word: *word,
                store_word: word.to_string(),
                explanation: None,
            })
            .map(|state| Sighting::Review { state })
            .map(|sighting| Report::Seen { key: *key, sighting })
            .collect(),
        Effect::Watch {
            key,
            watched: Watched::Rollout { .. },
            ..
        } => exposures(&[100])
            .map(|exposure| Sighting::Rollout { exposure })
            .map(|sighting| Report::Seen { key: *key, sighting })
            .collect(),
        Effect::Resolve {
            key,
            reading: Reading::Exposure { .. },
            ..
        } => exposures(&[100, 1_000])
            .map(|exposure| Finding::Exposure { exposure })
            .map(|finding| Resolved::Found { finding })
            .map(|resolved| Report::Resolved { key: *key, resolved })
            .collect(),
        _ => Vec::new(),
    }
}
