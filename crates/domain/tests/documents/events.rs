//! One value of every event as it may be stored, and of every shape inside it.

use super::children::{rollout_start, submission_start};
use super::common::{draft, plan, slot, start};
use delivr_domain::aggregate::Event;
use delivr_domain::board::{
    AfterLookUp, Begin, Doubt, Lane, Manual, Output, PlannedTask, Step, StepKind, StepResult, TaskEvent, Wait,
};
use delivr_domain::effect::{
    FactKind, Operation, Reference, ReleaseTiming, RunRef, StoreVersion, Topic, TrackerWrite, Watched,
};
use delivr_domain::ids::{
    BuildId, CycleId, InstallId, IntegrationId, ProfileId, ReleaseId, RolloutId, SlotId, SubmissionId,
};
use delivr_domain::key::{AggregateId, AggregateKind, EffectKey, Generation, TargetKey, TaskKey, TaskKind};
use delivr_domain::plan::{
    BuildMode, ChatPlan, GatedStage, MissedSlot, Plan, ShaOrigin, StoreSettings, SubmitMode,
};
use delivr_domain::release::event::{Clearable, Edit};
use delivr_domain::release::hold::{Hold, Scope};
use delivr_domain::release::lane::LaneStop;
use delivr_domain::release::state::{
    Approval, AutomationWanted, Build, BuildsWanted, Cycle, CycleState, Decision, Draft, Shipment, Stage,
    Verdict,
};
use delivr_domain::report::{
    Cause, ChildState, Class, Exposure, ExposureWord, Finding, Held, HeldBy, Outcome, ReviewState,
    ReviewWord, RolloutStart, RunProduct, StoreBuild, TestTotals,
};
use delivr_domain::time::Span;
use delivr_domain::{release, rollout, submission};
use std::collections::{BTreeMap, BTreeSet};

/// A named stored value.
pub(crate) type Case = (&'static str, Event);

fn id<T>(make: fn(uuid::Uuid) -> T, n: u128) -> T {
    make(uuid::Uuid::from_u128(n))
}

const ANDROID: TargetKey = TargetKey::AndroidPlayStore;

fn sha(of: &str) -> delivr_domain::names::Sha {
    of.repeat(40).parse().expect("a hash")
}

fn text(of: &str) -> String {
    of.to_owned()
}

/// Everything optional is there.
fn rich_draft() -> Draft {
    let mut rich = draft(plan(&[ANDROID, TargetKey::IosAppStore]));
    rich.description = Some(text("Gifts."));
    rich.pilot = Some(text("robin"));
    rich.kickoff_reminder_at = Some(start() - Span::hours(1));
    rich.target_date = Some(start() + Span::days(7));
    rich.plan.profile = Some((id(ProfileId::from_uuid, 7), 3));
    rich.plan.scm.previous_tag = "v1.3.0".parse().ok();
    rich.plan.quorum.insert(GatedStage::PreRelease, 2);
    rich.plan.chat = Some(ChatPlan {
        integration: id(IntegrationId::from_uuid, 6),
        topics: BTreeSet::from([Topic::Releases, Topic::Critical]),
    });
    let reason = text("the provider has no pull requests");
    rich.plan.left_out.insert(TaskKind::MergeBack, reason);
    rich
}

/// Everything optional is absent.
fn bare_plan() -> Plan {
    let mut bare = plan(&[TargetKey::WebEnvironment]);
    bare.tracker = None;
    bare.testing = None;
    bare.scm.existing_branch = "release/by-hand".parse().ok();
    for target in bare.targets.values_mut() {
        target.builds = BuildMode::Manual;
        target.settings = StoreSettings {
            submit: SubmitMode::ByPerson,
            timing: ReleaseTiming::At {
                at: start() + Span::days(8),
            },
            step_minutes: Some(60),
            ..StoreSettings::default()
        };
    }
    bare
}

/// With what users read where nobody writes notes.
fn spoken_plan() -> Plan {
    let mut spoken = bare_plan();
    for target in spoken.targets.values_mut() {
        let words = [("default", "Bug fixes."), ("de-DE", "Fehler behoben.")];
        let known = words.map(|(language, said)| (language.parse().expect("a tag"), text(said)));
        target.notes = known.into();
    }
    spoken
}

fn release_id() -> AggregateId {
    AggregateId {
        kind: AggregateKind::Release,
        id: id(ReleaseId::from_uuid, 100).uuid(),
    }
}

fn effect_key() -> EffectKey {
    EffectKey {
        install: id(InstallId::from_uuid, 102),
        owner: release_id(),
        task: build_task(),
        generation: Generation(1),
        step: 0,
    }
}

fn build_task() -> TaskKey {
    TaskKey::once(TaskKind::TriggerRegressionBuilds)
        .target(ANDROID)
        .cycle(2)
}

fn held() -> Held {
    let pause = HeldBy {
        hold: text("USER_PAUSED"),
        sentence: text("pat paused the release: resume it"),
    };
    Held {
        as_of: 41,
        by: vec![pause],
    }
}

fn run() -> RunRef {
    RunRef {
        job: text("regression"),
        id: text("17"),
        correlation: text("0123456789abcdef0123456789abcdef"),
        url: Some(text("https://ci.example/17")),
    }
}

fn reference() -> Reference {
    Reference::id("PROJ-12")
        .at("https://tracker.example/PROJ-12")
        .with("project", "PROJ")
}

fn product() -> RunProduct {
    RunProduct {
        number: Some(text("41")),
        url: Some(text("https://ci.example/41")),
        sha: Some(sha("a")),
        artifact_url: Some(text("https://ci.example/41/app.aab")),
        build_number: Some(text("140")),
        failed: true,
    }
}

fn store_version() -> StoreVersion {
    StoreVersion {
        version: text("1.4.0"),
        build_number: text("140"),
        notes: BTreeMap::from([(text("en-US"), text("- a change"))]),
    }
}

fn cause() -> Cause {
    let sentence = "renew the token of the integration";
    let mut cause = Cause::new("credential_rejected", sentence, Class::NeedsHuman);
    cause.vendor = Some(text("401 Bad credentials"));
    cause.integration = Some(id(IntegrationId::from_uuid, 1));
    cause
}

fn exposure(word: ExposureWord, bps: u16) -> Exposure {
    Exposure {
        word,
        bps,
        store_word: text("inProgress"),
    }
}

fn review() -> ReviewState {
    ReviewState {
        word: ReviewWord::Rejected,
        store_word: text("REJECTED"),
        explanation: Some(text("Guideline 2.1")),
    }
}

/// Every event of a task, with every shape it may have.
fn task_events() -> Vec<(&'static str, TaskEvent)> {
    let task = build_task();
    let started = |begin| TaskEvent::Started {
        task,
        steps: vec![
            Step::new(StepKind::PerformRun),
            Step::new(StepKind::Watch),
            Step::perform(text("PROJ-12")),
        ],
        begin,
    };
    let wait = |watched| Wait {
        watched,
        deadline: start() + Span::hours(6),
    };
    let done = |result, wait| TaskEvent::StepDone {
        task,
        step: 0,
        result,
        wait,
    };
    let found = |finding| done(StepResult::Found { finding }, None);
    let completed = |output| TaskEvent::Completed { task, output };
    let version = store_version;
    let child = AggregateId {
        kind: AggregateKind::Submission,
        id: id(SubmissionId::from_uuid, 300).uuid(),
    };
    vec![
        (
            "planned",
            TaskEvent::Planned {
                tasks: vec![
                    PlannedTask {
                        key: task,
                        lane: Lane::Regression,
                        after: BTreeSet::from([TaskKey::once(TaskKind::CreateRcTag).cycle(2)]),
                        skipped: None,
                    },
                    PlannedTask {
                        key: TaskKey::once(TaskKind::MergeBack),
                        lane: Lane::Distribution,
                        after: BTreeSet::new(),
                        skipped: Some(text("the provider has no pull requests")),
                    },
                ],
            },
        ),
        ("started with a step", started(Begin::Step)),
        (
            "started with a wait for a run",
            started(Begin::Wait {
                wait: wait(Watched::Run { run: run() }),
            }),
        ),
        (
            "started with a wait for a review",
            started(Begin::Wait {
                wait: wait(Watched::Review { version: version() }),
            }),
        ),
        (
            "started with a wait for a rollout",
            started(Begin::Wait {
                wait: wait(Watched::Rollout { version: version() }),
            }),
        ),
        (
            "started with a person",
            started(Begin::Manual {
                what: Manual {
                    sentence: text("upload the build"),
                },
            }),
        ),
        ("started with a child", started(Begin::Child { child })),
        (
            "step made something",
            done(
                StepResult::Made {
                    reference: reference(),
                },
                Some(wait(Watched::Run { run: run() })),
            ),
        ),
        ("step found a commit", found(Finding::Head { sha: sha("a") })),
        (
            "step found notes",
            found(Finding::Notes {
                text: text("- a change"),
            }),
        ),
        (
            "step found totals",
            found(Finding::Totals {
                totals: TestTotals {
                    total: 10,
                    passed: 7,
                    failed: 2,
                    untested: 1,
                },
            }),
        ),
        (
            "step found a store's build",
            found(Finding::StoreBuild {
                build: StoreBuild {
                    build_number: text("140"),
                    reference: Reference::id("140"),
                },
            }),
        ),
        (
            "step found an exposure",
            found(Finding::Exposure {
                exposure: exposure(ExposureWord::Active, 1_000),
            }),
        ),
        ("step ran", done(StepResult::Ran { product: product() }, None)),
        ("step saw its end", done(StepResult::Seen, None)),
        ("parked", TaskEvent::Parked { task }),
        ("completed by its steps", completed(Output::Steps)),
        (
            "completed by hand",
            completed(Output::ByHand {
                reason: text("done in the console"),
                reference: Some(reference()),
            }),
        ),
        (
            "completed by an upload",
            completed(Output::Uploaded { product: product() }),
        ),
        (
            "completed with a verdict",
            completed(Output::Verdict { passed: true }),
        ),
        ("completed by a child", completed(Output::Child)),
        (
            "failed",
            TaskEvent::Failed {
                task,
                cause: cause(),
                outcome: Outcome::Unknown,
            },
        ),
        ("rearmed", TaskEvent::Rearmed { task, spent: true }),
        ("repeated", TaskEvent::Repeated { task }),
        (
            "skipped",
            TaskEvent::Skipped {
                task,
                reason: text("not needed"),
            },
        ),
        (
            "skip requested",
            TaskEvent::SkipRequested {
                task,
                reason: text("not needed"),
            },
        ),
        (
            "look-up requested",
            TaskEvent::LookUpRequested {
                task,
                then: AfterLookUp::Done {
                    output: Output::ByHand {
                        reason: text("done in the vendor's console"),
                        reference: Some(reference()),
                    },
                },
            },
        ),
        (
            "look-up requested to try again",
            TaskEvent::LookUpRequested {
                task,
                then: AfterLookUp::Again,
            },
        ),
        ("cancelled", TaskEvent::Cancelled { task }),
        (
            "late result",
            TaskEvent::LateResult {
                key: effect_key(),
                reference: reference(),
            },
        ),
        (
            "doubted",
            TaskEvent::Doubted {
                doubt: Box::new(Doubt {
                    key: effect_key(),
                    integration: id(IntegrationId::from_uuid, 3),
                    operation: Operation::Tracker(TrackerWrite::CloseTicket {
                        ticket: text("PROJ-12"),
                        comment: text("is out"),
                    }),
                    due: Some(start() + Span::seconds(400)),
                    given_up: false,
                }),
            },
        ),
        (
            "doubted and given up",
            TaskEvent::Doubted {
                doubt: Box::new(Doubt {
                    key: effect_key(),
                    integration: id(IntegrationId::from_uuid, 3),
                    operation: Operation::Tracker(TrackerWrite::CloseTicket {
                        ticket: text("PROJ-12"),
                        comment: text("is out"),
                    }),
                    due: Some(start() + Span::seconds(600)),
                    given_up: true,
                }),
            },
        ),
        ("doubt due", TaskEvent::DoubtDue { key: effect_key() }),
        (
            "doubt settled",
            TaskEvent::DoubtSettled {
                key: effect_key(),
                found: vec![reference(), Reference::id("PROJ-13")],
            },
        ),
    ]
}

fn cycle() -> Cycle {
    Cycle {
        id: id(CycleId::from_uuid, 500),
        number: 2,
        state: CycleState::InProgress,
        verdict: Verdict::Unknown,
        verdict_note: Some(text("by hand")),
        sha: Some(sha("a")),
        tag: "v1.4.0-rc.2".parse().ok(),
        builds: BuildsWanted::NoBuild,
        automation: AutomationWanted::NoRun,
        started_at: start(),
        ended_at: Some(start() + Span::hours(1)),
    }
}

fn holds() -> Vec<(&'static str, Hold)> {
    let by = || text("pat");
    vec![
        (
            "hold placed: paused",
            Hold::UserPaused {
                by: by(),
                note: Some(text("holidays")),
            },
        ),
        (
            "hold placed: blocked",
            Hold::Blocked {
                by: by(),
                reason: text("legal"),
                scope: Scope::Production,
            },
        ),
        (
            "hold placed: task failed",
            Hold::TaskFailed { task: build_task() },
        ),
        (
            "hold placed: integration invalid",
            Hold::IntegrationInvalid {
                integration: id(IntegrationId::from_uuid, 1),
            },
        ),
        (
            "hold placed: awaiting approval",
            Hold::AwaitingApproval {
                stage: GatedStage::PreRelease,
            },
        ),
        ("hold placed: awaiting cycle", Hold::AwaitingCycle),
        ("hold placed: drift", drift()),
        (
            "hold placed: in store",
            Hold::InStore {
                target: ANDROID,
                stop: LaneStop::RolloutHalted,
                sentence: text("the store withholds the version"),
            },
        ),
        (
            "hold placed: quarantine",
            Hold::Quarantine {
                reason: text("its history does not fold"),
            },
        ),
    ]
}

fn drift() -> Hold {
    Hold::Drift {
        target: Some(ANDROID),
        sentence: text("PROJ-12 and PROJ-13 stand under one mark; close one"),
    }
}

/// Every event of a release.
pub(crate) fn of_release() -> Vec<Case> {
    use release::Event as E;
    let changed_slot = {
        let mut it = slot(200, start() + Span::hours(3));
        it.builds = BuildsWanted::NoBuild;
        it.automation = AutomationWanted::NoRun;
        it.missed = MissedSlot::Skip;
        it
    };
    let mut all: Vec<(&'static str, E)> = vec![
        (
            "created",
            E::Created {
                draft: Box::new(rich_draft()),
            },
        ),
        (
            "stage entered",
            E::StageEntered {
                stage: Stage::PreRelease,
            },
        ),
        ("kickoff started now", E::KickoffStartedNow { at: start() }),
        (
            "cycle started",
            E::CycleStarted {
                cycle: cycle(),
                slots: vec![id(SlotId::from_uuid, 200), id(SlotId::from_uuid, 201)],
            },
        ),
        (
            "cycle ended",
            E::CycleEnded {
                cycle: 2,
                state: CycleState::Done,
                verdict: Verdict::Passed,
                note: Some(text("10 of 10")),
            },
        ),
        (
            "verdict recorded",
            E::VerdictRecorded {
                cycle: 2,
                verdict: Verdict::Failed,
                note: text("9 of 10, see the report"),
            },
        ),
        (
            "slot added",
            E::SlotAdded {
                slot: slot(200, start() + Span::hours(1)),
            },
        ),
        ("slot changed", E::SlotChanged { slot: changed_slot }),
        (
            "slot removed",
            E::SlotRemoved {
                slot: id(SlotId::from_uuid, 200),
            },
        ),
        (
            "slot skipped",
            E::SlotSkipped {
                slot: id(SlotId::from_uuid, 201),
            },
        ),
        (
            "build arrived",
            E::BuildArrived {
                build: Build {
                    id: id(BuildId::from_uuid, 600),
                    target: ANDROID,
                    task: build_task(),
                    build_number: Some(text("140")),
                    url: Some(text("https://ci.example/41")),
                    artifact_url: Some(text("https://ci.example/41/app.aab")),
                    sha: Some(sha("a")),
                    origin: ShaOrigin::Observed,
                    at: start(),
                },
            },
        ),
        (
            "drift cleared",
            E::DriftCleared {
                hold: drift(),
                reason: text("closed PROJ-13"),
            },
        ),
        (
            "hold lifted",
            E::HoldLifted {
                hold: Hold::UserPaused {
                    by: text("pat"),
                    note: None,
                },
            },
        ),
        (
            "decided",
            E::Decided {
                approval: Approval {
                    stage: GatedStage::Distribution,
                    by: text("pat"),
                    decision: Decision::Rejected,
                    sha: Some(sha("a")),
                    comment: Some(text("not before Monday")),
                    at: start(),
                },
            },
        ),
        (
            "stage released",
            E::StageReleased {
                stage: GatedStage::PreRelease,
                overridden: vec![text("the release branch has moved")],
                reason: Some(text("known")),
            },
        ),
        (
            "reminder fired",
            E::ReminderFired {
                reminder: text("PRE_KICKOFF_REMINDER/2027-01-15T08:00:00+00:00"),
            },
        ),
        (
            "reminder skipped",
            E::ReminderSkipped {
                reminder: text("PRE_KICKOFF_REMINDER/2027-01-15T08:00:00+00:00"),
            },
        ),
        (
            "edited",
            E::Edited {
                edit: Box::new(Edit {
                    title: Some(text("Shop 1.4")),
                    description: Some(text("Gifts.")),
                    priority: Some(text("HIGH")),
                    pilot: Some(text("robin")),
                    kickoff_at: Some(start()),
                    kickoff_reminder_at: Some(start() - Span::hours(1)),
                    target_date: Some(start() + Span::days(7)),
                    cleared: BTreeSet::new(),
                }),
            },
        ),
        (
            "edited away",
            E::Edited {
                edit: Box::new(Edit {
                    cleared: BTreeSet::from([
                        Clearable::Description,
                        Clearable::Pilot,
                        Clearable::KickoffReminder,
                        Clearable::TargetDate,
                    ]),
                    ..Edit::default()
                }),
            },
        ),
        (
            "build mode changed",
            E::BuildModeChanged {
                target: ANDROID,
                mode: BuildMode::Manual,
            },
        ),
        (
            "store notes changed",
            E::StoreNotesChanged {
                target: ANDROID,
                texts: BTreeMap::from([
                    ("de-DE".parse().unwrap(), Some(text("Geschenke."))),
                    ("default".parse().unwrap(), Some(text("Gifts."))),
                    ("fr-FR".parse().unwrap(), None),
                ]),
            },
        ),
        (
            "shipment changed",
            E::ShipmentChanged {
                target: ANDROID,
                shipment: Shipment {
                    submission: id(SubmissionId::from_uuid, 300),
                    rollout: Some(id(RolloutId::from_uuid, 400)),
                    state: ChildState {
                        status: text("LIVE"),
                        exposure: 1_000,
                        live: true,
                        blocker: Some(text("the rollout is halted")),
                        store_words: Some(text("inProgress")),
                        at: start(),
                        asked: false,
                        held: Held::default(),
                        drift: None,
                    },
                },
            },
        ),
        (
            "shipment drifted",
            E::ShipmentChanged {
                target: ANDROID,
                shipment: Shipment {
                    submission: id(SubmissionId::from_uuid, 300),
                    rollout: Some(id(RolloutId::from_uuid, 400)),
                    state: ChildState {
                        status: text("HALTED"),
                        exposure: 1_000,
                        live: false,
                        blocker: Some(text("the rollout is halted")),
                        store_words: Some(text("halted")),
                        at: start(),
                        asked: false,
                        held: Held::default(),
                        drift: Some(text("the store says halted, which nobody decided here")),
                    },
                },
            },
        ),
        (
            "shipment held",
            E::ShipmentChanged {
                target: ANDROID,
                shipment: Shipment {
                    submission: id(SubmissionId::from_uuid, 300),
                    rollout: Some(id(RolloutId::from_uuid, 400)),
                    state: ChildState {
                        status: text("LIVE"),
                        exposure: 1_000,
                        live: false,
                        blocker: None,
                        store_words: None,
                        at: start(),
                        asked: false,
                        held: held(),
                        drift: None,
                    },
                },
            },
        ),
        (
            "shipment asked for",
            E::ShipmentChanged {
                target: ANDROID,
                shipment: Shipment {
                    submission: id(SubmissionId::from_uuid, 300),
                    rollout: Some(id(RolloutId::from_uuid, 400)),
                    state: ChildState {
                        status: text("LIVE"),
                        exposure: 1_000,
                        live: false,
                        blocker: None,
                        store_words: None,
                        at: start(),
                        asked: true,
                        held: Held::default(),
                        drift: None,
                    },
                },
            },
        ),
        (
            "fact changed",
            E::FactChanged {
                fact: FactKind::BranchHead,
                value: "b".repeat(40),
            },
        ),
        (
            "reworked",
            E::Reworked {
                to: GatedStage::Regression,
                reason: text("the store refused it"),
            },
        ),
        (
            "replanned",
            E::Replanned {
                plan: Box::new(bare_plan()),
                changed: vec![text("/deadlines/poll_seconds")],
            },
        ),
        (
            "replanned with default notes",
            E::Replanned {
                plan: Box::new(spoken_plan()),
                changed: vec![text("/targets/WEB_ENVIRONMENT/notes")],
            },
        ),
        (
            "archived",
            E::Archived {
                reason: text("not now"),
            },
        ),
        (
            "run cancelled",
            E::RunCancelled {
                key: effect_key(),
                run: run(),
            },
        ),
    ];
    all.extend(
        holds()
            .into_iter()
            .map(|(name, hold)| (name, E::HoldPlaced { hold })),
    );
    all.extend(
        task_events()
            .into_iter()
            .map(|(name, event)| (name, E::Task { event })),
    );
    all.into_iter()
        .map(|(name, event)| (name, Event::Release(event)))
        .collect()
}

/// Every event of a submission. A task's events have the same form in every machine, so one stands for all.
pub(crate) fn of_submission() -> Vec<Case> {
    use submission::Event as E;
    let settings = bare_plan().targets[&TargetKey::WebEnvironment].settings.clone();
    [
        (
            "born",
            E::Born {
                start: Box::new(submission_start(TargetKey::IosAppStore, settings)),
            },
        ),
        (
            "task",
            E::Task {
                event: TaskEvent::Parked {
                    task: TaskKey::once(TaskKind::SubmitForReview),
                },
            },
        ),
        ("submit asked", E::SubmitAsked),
        ("release asked", E::ReleaseAsked { reason: None }),
        (
            "release asked with a reason",
            E::ReleaseAsked {
                reason: Some(text("the notes are translated")),
            },
        ),
        (
            "withdrawal asked",
            E::WithdrawalAsked {
                reason: text("a crash at the start"),
            },
        ),
        (
            "status changed",
            E::StatusChanged {
                status: ReviewWord::Rejected,
                review: Some(review()),
            },
        ),
        ("holds changed", E::HoldsChanged { held: held() }),
    ]
    .into_iter()
    .map(|(name, event)| (name, Event::Submission(event)))
    .collect()
}

/// Every event of a rollout.
pub(crate) fn of_rollout() -> Vec<Case> {
    use rollout::Event as E;
    let settings = StoreSettings {
        timing: ReleaseTiming::AfterApproval,
        ..StoreSettings::default()
    };
    [
        (
            "born",
            E::Born {
                start: Box::new(rollout_start(ANDROID, settings, 100)),
            },
        ),
        (
            "task",
            E::Task {
                event: TaskEvent::Parked {
                    task: TaskKey::once(TaskKind::SetExposure).decision(3),
                },
            },
        ),
        (
            "decided",
            E::Decided {
                kind: TaskKind::SetExposure,
                bps: 1_000,
                reason: text("the numbers are good"),
            },
        ),
        (
            "observed",
            E::Observed {
                exposure: exposure(ExposureWord::Halted, 100),
                drift: Some(text("the store says halted, which nobody decided here")),
            },
        ),
        (
            "raising stopped",
            E::RaisingStopped {
                status: rollout::Status::Paused,
                reason: text("a bug"),
            },
        ),
        (
            "drift accepted",
            E::DriftAccepted {
                drift: text("the store says halted, which nobody decided here"),
            },
        ),
        ("holds changed", E::HoldsChanged { held: held() }),
        (
            "born held",
            E::Born {
                start: Box::new(RolloutStart {
                    held: held(),
                    ..rollout_start(ANDROID, StoreSettings::default(), 100)
                }),
            },
        ),
    ]
    .into_iter()
    .map(|(name, event)| (name, Event::Rollout(event)))
    .collect()
}
