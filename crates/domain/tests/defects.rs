//! Defects that releases are known to suffer from elsewhere, one by one: each test puts a release where such a defect
//! would show. The list, with every defect and its answer, is `docs/defects-prevented.md`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

#[allow(unreachable_pub, dead_code, reason = "shared by test binaries")]
mod common;

use common::{World, draft, fresh_facts, plan, run_row, slot, start};
use delivr_domain::aggregate::{Aggregate, Command as AnyCommand, Input};
use delivr_domain::board::TaskState;
use delivr_domain::effect::{
    CicdWrite, Effect, FactKind, Operation, Reading, ScmWrite, TestingWrite, Topic, Watched,
};
use delivr_domain::ids::{IntegrationId, SlotId};
use delivr_domain::key::{AggregateId, TargetKey, TaskKey, TaskKind};
use delivr_domain::names::{RefName, Sha};
use delivr_domain::plan::{BuildMode, ChatPlan, GatedStage, Purpose, SubmitMode};
use delivr_domain::ports::store::Fact;
use delivr_domain::release::command::{Command, Force};
use delivr_domain::release::event::Edit;
use delivr_domain::release::gate::{self, Context};
use delivr_domain::release::hold::{Hold, holds};
use delivr_domain::release::state::{AutomationWanted, BuildsWanted, CycleState, Phase, Stage, Verdict};
use delivr_domain::report::{
    Cause, Class, Exposure, ExposureWord, Finding, Outcome, Performed, Report, Resolved, ReviewState,
    ReviewWord, RunProduct, RunResult, RunState, Sighting, TestTotals,
};
use delivr_domain::submission::{self, Submission};
use delivr_domain::time::{Span, Timestamp};
use delivr_domain::{rollout, rollout::Rollout};
use std::collections::{BTreeMap, BTreeSet};

const ANDROID: TargetKey = TargetKey::AndroidPlayStore;
const IOS: TargetKey = TargetKey::IosAppStore;
const BOTH: [TargetKey; 2] = [ANDROID, IOS];

const fn nothing(_effect: &Effect) -> bool {
    false
}

fn of(kind: TaskKind) -> impl Fn(&Effect) -> bool {
    move |effect| effect.key().is_some_and(|key| key.task.kind == kind)
}

const fn is_watch(effect: &Effect) -> bool {
    matches!(effect, Effect::Watch { .. })
}

const fn is_review(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Watch {
            watched: Watched::Review { .. },
            ..
        }
    )
}

const fn is_rollout(effect: &Effect) -> bool {
    matches!(
        effect,
        Effect::Watch {
            watched: Watched::Rollout { .. },
            ..
        }
    )
}

/// Answers rows and lets time pass until the world is as wished, leaving some rows alone. What was answered is kept with
/// the instant; none when the world came to rest before.
fn go(
    world: &mut World,
    leave: impl Fn(&Effect) -> bool,
    wished: impl Fn(&World) -> bool,
) -> Option<Vec<(Timestamp, Effect)>> {
    let mut answered = Vec::new();
    for _ in 0..1_500 {
        world.tick();
        if wished(world) {
            return Some(answered);
        }
        let row = world.live.iter().find(|(_, effect)| !leave(effect));
        match (row.map(|(id, effect)| (*id, effect.clone())), world.next_wake()) {
            (Some((row, effect)), _) => {
                answered.push((world.now, effect));
                run_row(world, row);
            }
            (None, Some(at)) => world.now = world.now.max(at),
            (None, None) => return None,
        }
    }
    None
}

/// The live effect that is meant.
fn live(world: &World, wanted: impl Fn(&Effect) -> bool) -> Effect {
    let found = world.live.values().find(|effect| wanted(effect));
    found.cloned().expect("a live row")
}

fn waits(world: &World, wanted: impl Fn(&Effect) -> bool) -> bool {
    world.live.values().any(wanted)
}

fn seen(world: &mut World, effect: &Effect, sighting: Sighting) {
    let key = *effect.key().unwrap();
    world.input(key.owner, Input::Report(&Report::Seen { key, sighting }), None);
}

fn run_ended(result: RunResult, product: RunProduct) -> Sighting {
    Sighting::Run {
        state: RunState::Ended { result, product },
    }
}

fn fail(world: &mut World, wanted: impl Fn(&Effect) -> bool, outcome: Outcome) {
    let effect = live(world, |it| matches!(it, Effect::Perform { .. }) && wanted(it));
    let key = *effect.key().unwrap();
    let cause = Cause::new("refused", "a person must look", Class::NeedsHuman);
    let performed = Performed::Failed { cause, outcome };
    world.input(
        key.owner,
        Input::Report(&Report::Performed { key, performed }),
        Some(effect.id()),
    );
}

fn found(world: &mut World, effect: &Effect, finding: Finding) {
    let key = *effect.key().unwrap();
    let resolved = Resolved::Found { finding };
    world.input(
        key.owner,
        Input::Report(&Report::Resolved { key, resolved }),
        Some(effect.id()),
    );
}

fn blockers(world: &World, stage: GatedStage) -> Vec<String> {
    let cx = Context {
        now: world.now,
        actor: "pat",
        facts: &world.facts,
    };
    let all = gate::blockers(world.release(), stage, &cx);
    all.into_iter().map(|it| it.code).collect()
}

fn hold_words(world: &World) -> Vec<&'static str> {
    holds(world.release()).iter().map(Hold::word).collect()
}

fn trigger(stage: GatedStage) -> Command {
    Command::Trigger {
        stage,
        override_reason: None,
    }
}

fn submissions(world: &World) -> Vec<Submission> {
    let all = world.aggregates.values().filter_map(|state| match state {
        Aggregate::Submission(it) => Some(it.as_ref().clone()),
        _ => None,
    });
    all.collect()
}

fn rollouts(world: &World) -> Vec<Rollout> {
    let all = world.aggregates.values().filter_map(|state| match state {
        Aggregate::Rollout(it) => Some(it.as_ref().clone()),
        _ => None,
    });
    all.collect()
}

fn child(world: &mut World, to: AggregateId, command: &AnyCommand) -> bool {
    world.input(to, Input::Command(command), None)
}

/// A world that waits to enter a stage which a person lets start.
fn before(stage: GatedStage, targets: &[TargetKey]) -> World {
    let mut settings = plan(targets);
    settings.auto_start.remove(&stage);
    let mut world = World::new(settings);
    let waiting = match stage {
        GatedStage::Regression => Stage::AwaitingRegression,
        GatedStage::PreRelease => Stage::AwaitingPreRelease,
        GatedStage::Distribution => Stage::AwaitingDistribution,
    };
    go(&mut world, nothing, |it| it.release().stage == waiting).expect("it comes so far");
    world
}

/// Tells every step of every task once more that it failed, and that its run did.
fn all_fails_late(world: &mut World) {
    let mut late: Vec<Report> = Vec::new();
    for state in world.aggregates.values() {
        let owner = state.owner();
        for task in owner.board().iter() {
            for step in 0..u16::try_from(task.steps.len()).unwrap() {
                let key = owner.effect_key(task, step);
                let cause = Cause::new("late", "it failed after all", Class::NeedsHuman);
                let outcome = Outcome::Spent;
                late.push(Report::Performed {
                    key,
                    performed: Performed::Failed {
                        cause: cause.clone(),
                        outcome,
                    },
                });
                late.push(Report::Resolved {
                    key,
                    resolved: Resolved::Failed { cause },
                });
                for result in [RunResult::Failed, RunResult::Cancelled, RunResult::Succeeded] {
                    late.push(Report::Seen {
                        key,
                        sighting: run_ended(result, RunProduct::default()),
                    });
                }
            }
        }
    }
    assert!(late.len() > 20, "there is something to tell");
    let events = |world: &World| world.history.values().map(Vec::len).sum::<usize>();
    let owner = |report: &Report| match report {
        Report::Performed { key, .. } | Report::Resolved { key, .. } | Report::Seen { key, .. } => key.owner,
        _ => panic!("of a step"),
    };
    for report in &late {
        let known = events(world);
        assert!(world.input(owner(report), Input::Report(report), None));
        assert_eq!(events(world), known, "{report:?}");
    }
}

#[test]
fn what_fails_late_changes_nothing_that_is_over() {
    let mut world = World::new(plan(&BOTH));
    go(&mut world, nothing, |it| it.release().phase() == Phase::Completed).expect("it completes");
    all_fails_late(&mut world);
    assert_eq!(world.release().phase(), Phase::Completed);

    let mut world = World::new(plan(&BOTH));
    let building = |it: &World| {
        waits(it, |effect| {
            is_watch(effect) && of(TaskKind::TriggerRegressionBuilds)(effect)
        })
    };
    go(&mut world, is_watch_of_a_cycle, building).expect("a cycle builds");
    assert!(world.command(Command::Archive {
        reason: "not now".to_owned(),
        close_tickets: false,
        delete_branch: false,
    }));
    all_fails_late(&mut world);
    assert_eq!(world.release().phase(), Phase::Archived);
    assert!(hold_words(&world).is_empty(), "{:?}", holds(world.release()));
}

fn is_watch_of_a_cycle(effect: &Effect) -> bool {
    is_watch(effect) && of(TaskKind::TriggerRegressionBuilds)(effect)
}

#[test]
fn a_retry_starts_what_failed_and_nothing_that_still_runs() {
    let mut world = World::new(plan(&BOTH));
    let both_run = |it: &World| {
        it.live
            .values()
            .filter(|effect| is_watch_of_a_cycle(effect))
            .count()
            == 2
    };
    go(&mut world, is_watch_of_a_cycle, both_run).expect("both platforms build");
    let on = |target: TargetKey| {
        move |effect: &Effect| effect.key().is_some_and(|key| key.task.target == Some(target))
    };
    let (android, ios) = (live(&world, on(ANDROID)), live(&world, on(IOS)));
    seen(
        &mut world,
        &ios,
        run_ended(RunResult::Failed, RunProduct::default()),
    );
    assert!(world.command(Command::RetryTask {
        task: ios.key().unwrap().task,
        force: Force::No
    }));
    assert_eq!(live(&world, on(ANDROID)), android, "it waits for the run it had");
    let again = live(&world, on(IOS));
    assert!(matches!(&again, Effect::Perform { .. }), "{again:?}");
    assert_eq!(again.key().unwrap().generation.0, 1);
    assert_eq!(world.live.len(), 2, "nothing else was started: {:?}", world.live);
}

#[test]
fn a_pause_over_a_gate_is_no_approval_and_a_resume_no_trigger() {
    let mut world = before(GatedStage::PreRelease, &[ANDROID]);
    fresh_facts(&mut world);
    assert_eq!(hold_words(&world), ["AWAITING_APPROVAL"]);
    assert!(world.command(Command::Pause { note: None }));
    assert_eq!(hold_words(&world), ["USER_PAUSED", "AWAITING_APPROVAL"]);
    assert!(world.command(Command::Resume));
    assert_eq!(hold_words(&world), ["AWAITING_APPROVAL"]);
    assert!(
        go(&mut world, nothing, |it| it.release().stage
            != Stage::AwaitingPreRelease)
        .is_none()
    );
}

/// Slots, the plan's switch, pipelines and test management disagree in every way there is.
#[test]
fn a_cycle_ends_whatever_its_slot_and_plan_ask_for() {
    for bits in 0..64_u8 {
        let has = |bit: u8| bits & (1 << bit) != 0;
        let mut settings = plan(&BOTH);
        if has(0) {
            settings.testing = None;
        }
        settings.automation = has(1);
        for (target, of_target) in &mut settings.targets {
            if has(2) || (has(3) && *target == IOS) {
                of_target.pipelines.remove(&Purpose::Automation);
            }
        }
        let mut wanted = draft(settings);
        for slot in &mut wanted.slots {
            slot.builds = if has(4) {
                BuildsWanted::NoBuild
            } else {
                BuildsWanted::Build
            };
            slot.automation = if has(5) {
                AutomationWanted::NoRun
            } else {
                AutomationWanted::Run
            };
        }
        let mut world = World::of(wanted);
        let ended = |it: &World| {
            let cycles = &it.release().cycles;
            cycles.len() == 2 && cycles.iter().all(|cycle| cycle.state == CycleState::Done)
        };
        assert!(
            go(&mut world, nothing, ended).is_some(),
            "{bits:06b}: {} {:?}",
            world.release().phase(),
            holds(world.release())
        );
    }
}

#[test]
fn every_target_has_its_own_runs_tests_and_totals() {
    let all = [
        ANDROID,
        IOS,
        TargetKey::WebEnvironment,
        TargetKey::ServiceEnvironment,
    ];
    let mut world = World::new(plan(&all));
    let answered =
        go(&mut world, nothing, |it| it.release().phase() == Phase::Completed).expect("it completes");
    let release = world.release();
    let mut started: BTreeMap<String, u32> = BTreeMap::new();
    let (mut resets, mut totals, mut waited) = (BTreeSet::new(), BTreeSet::new(), 0);
    for (_, effect) in &answered {
        let Some(task) = effect.key().map(|key| key.task) else {
            continue;
        };
        let test_run = task.target.and_then(|target| release.test_run(target));
        match effect {
            Effect::Perform {
                operation: Operation::Cicd(CicdWrite::TriggerRun { parameters, .. }),
                ..
            } => {
                assert_eq!(parameters["VERSION"], "1.4.0");
                *started.entry(task.to_string()).or_default() += 1;
            }
            Effect::Perform {
                operation: Operation::Testing(TestingWrite::ResetRun { run }),
                ..
            } => {
                assert_eq!(Some(run), test_run.as_ref(), "{task}");
                resets.insert(run.clone());
            }
            Effect::Resolve {
                reading: Reading::TestTotals { run },
                ..
            } => {
                assert_eq!(Some(run), test_run.as_ref(), "{task}");
                totals.insert(run.clone());
            }
            Effect::Watch {
                watched: Watched::Run { run },
                ..
            } if task.kind == TaskKind::AutomationRuns => {
                let trigger = TaskKey {
                    kind: TaskKind::TriggerAutomationRuns,
                    ..task
                };
                let trigger = release.task(&trigger).unwrap();
                assert_eq!(
                    run.id,
                    trigger.reference().unwrap().id,
                    "the run of the same target and cycle"
                );
                waited += 1;
            }
            _ => {}
        }
    }
    assert_eq!(resets.len(), 4, "the second cycle begins anew for every target");
    assert_eq!(totals.len(), 4);
    assert_eq!(waited, 8, "four targets in two cycles");
    assert!(started.values().all(|times| *times == 1), "{started:?}");
}

#[test]
fn tests_that_fail_on_one_target_close_the_gate() {
    let mut settings = plan(&BOTH);
    settings.auto_start.remove(&GatedStage::PreRelease);
    let mut world = World::new(settings);
    let reads = |effect: &Effect| {
        matches!(
            effect,
            Effect::Resolve {
                reading: Reading::TestTotals { .. },
                ..
            }
        )
    };
    for _ in 0..4 {
        go(&mut world, reads, |it| waits(it, reads)).expect("totals are read in both cycles");
        let effect = live(&world, reads);
        let passed = if effect.key().unwrap().task.target == Some(IOS) {
            8
        } else {
            9
        };
        let totals = TestTotals {
            total: 10,
            passed,
            failed: 10 - passed,
            untested: 0,
        };
        found(&mut world, &effect, Finding::Totals { totals });
    }
    go(&mut world, nothing, |it| {
        it.release().stage == Stage::AwaitingPreRelease
    })
    .expect("the cycles end");
    fresh_facts(&mut world);
    assert!(
        world
            .release()
            .cycles
            .iter()
            .all(|it| it.verdict == Verdict::Failed)
    );
    assert_eq!(blockers(&world, GatedStage::PreRelease), ["verdict_failed"]);
    assert!(!world.command(trigger(GatedStage::PreRelease)));
}

/// A repository whose branch moves before every look, and a CI system that builds what it is asked for.
struct Moving {
    heads: u8,
    asked: BTreeMap<String, (TaskKey, RefName, Sha)>,
    tags: BTreeMap<String, Sha>,
}

fn commit(number: u8) -> Sha {
    format!("{number:040x}").parse().unwrap()
}

impl Moving {
    fn answer(&mut self, world: &mut World, effect: &Effect) {
        match effect {
            Effect::Resolve {
                reading: Reading::RefHead { .. },
                ..
            } => {
                self.heads += 1;
                found(
                    world,
                    effect,
                    Finding::Head {
                        sha: commit(self.heads),
                    },
                );
            }
            Effect::Perform { key, operation, .. } => {
                match operation {
                    Operation::Cicd(CicdWrite::TriggerRun { git_ref, sha, .. }) => {
                        self.asked
                            .insert(key.short(), (key.task, git_ref.clone(), sha.clone()));
                    }
                    Operation::Scm(ScmWrite::CreateTag { name, sha, .. }) => {
                        self.tags.insert(name.to_string(), sha.clone());
                    }
                    _ => {}
                }
                run_row(world, effect.id());
            }
            Effect::Watch {
                watched: Watched::Run { run },
                ..
            } => {
                let product = RunProduct {
                    number: Some("41".to_owned()),
                    sha: self.asked.get(&run.correlation).map(|(_, _, sha)| sha.clone()),
                    ..RunProduct::default()
                };
                seen(world, effect, run_ended(RunResult::Succeeded, product));
            }
            Effect::Probe { .. } => {
                run_row(world, effect.id());
                let fact = Fact {
                    value: commit(self.heads).to_string(),
                    observed_at: world.now,
                };
                world.facts.insert(FactKind::BranchHead, fact);
                world.input(world.release, Input::Report(&Report::Tick), None);
            }
            _ => run_row(world, effect.id()),
        }
    }
}

#[test]
fn the_commit_that_was_tested_is_tagged_built_and_shipped() {
    let mut world = World::new(plan(&BOTH));
    let mut vendor = Moving {
        heads: 0,
        asked: BTreeMap::new(),
        tags: BTreeMap::new(),
    };
    for _ in 0..1_500 {
        world.tick();
        if world.release().phase() == Phase::Completed {
            break;
        }
        match world.live.values().next().cloned() {
            Some(effect) => vendor.answer(&mut world, &effect),
            None => world.now = world.now.max(world.next_wake().expect("something follows")),
        }
    }
    let release = world.release();
    assert_eq!(release.phase(), Phase::Completed, "{:?}", holds(release));
    // One look for the fork, one for the early build of each target, one for each cycle, none after that.
    assert_eq!(vendor.heads, 5);
    assert_eq!(release.base_sha, Some(commit(1)));
    let named: Vec<(&str, Sha)> = vendor
        .tags
        .iter()
        .map(|(name, sha)| (name.as_str(), sha.clone()))
        .collect();
    assert_eq!(
        named,
        [
            ("v1.4.0", commit(5)),
            ("v1.4.0-rc.1", commit(4)),
            ("v1.4.0-rc.2", commit(5))
        ]
    );
    let store = [TaskKind::CreateAabBuild, TaskKind::TriggerTestFlightBuild];
    let mut early = BTreeSet::from([commit(2), commit(3)]);
    for (task, git_ref, sha) in vendor.asked.values() {
        let (name, tested) = match task.cycle {
            Some(1) => ("v1.4.0-rc.1", 4),
            Some(_) => ("v1.4.0-rc.2", 5),
            None if store.contains(&task.kind) => ("v1.4.0", 5),
            // Whichever comes first has the earlier head.
            None => {
                assert!(early.remove(sha), "{task} {sha}");
                assert_eq!(git_ref.as_str(), "release/1.4.0");
                continue;
            }
        };
        assert_eq!((git_ref.as_str(), sha), (name, &commit(tested)), "{task}");
    }
    for target in BOTH {
        assert_eq!(release.store_build(target).unwrap().sha, Some(commit(5)));
    }
}

#[test]
fn a_build_of_another_or_an_unknown_commit_does_not_pass() {
    for (built, code) in [
        (Some(commit(9)), "build_of_other_commit"),
        (None, "build_commit_unknown"),
    ] {
        let mut settings = plan(&[ANDROID]);
        settings.auto_start.remove(&GatedStage::Distribution);
        let mut world = World::new(settings);
        let builds = |effect: &Effect| is_watch(effect) && of(TaskKind::CreateAabBuild)(effect);
        go(&mut world, builds, |it| waits(it, builds)).expect("the bundle is built");
        let effect = live(&world, builds);
        let product = RunProduct {
            sha: built,
            ..RunProduct::default()
        };
        seen(&mut world, &effect, run_ended(RunResult::Succeeded, product));
        go(&mut world, nothing, |it| {
            it.release().stage == Stage::AwaitingDistribution
        })
        .expect("it is built");
        fresh_facts(&mut world);
        assert_eq!(blockers(&world, GatedStage::Distribution), [code]);
        assert!(!world.command(trigger(GatedStage::Distribution)));
    }
}

#[test]
fn cycles_are_named_for_the_version_and_noted_since_the_one_before() {
    let mut settings = plan(&[ANDROID]);
    settings.scm.previous_tag = Some("v1.3.0".parse().unwrap());
    let mut world = World::new(settings);
    // The first cycle is given up before anything of it is made.
    go(&mut world, of(TaskKind::CreateRcTag), |it| {
        waits(it, of(TaskKind::CreateRcTag))
    })
    .expect("a cycle begins");
    assert!(world.command(Command::AbandonCycle {
        cycle: 1,
        reason: "wrong commit".to_owned()
    }));
    assert!(world.command(Command::StartCycle));
    let answered =
        go(&mut world, nothing, |it| it.release().phase() == Phase::Completed).expect("it completes");
    let names = world.release().cycles.iter().map(|cycle| {
        let tag = cycle.tag.as_ref().map(|tag| tag.as_str().to_owned());
        (cycle.number, tag)
    });
    let tag = |name: &str| Some(name.to_owned());
    assert_eq!(
        names.collect::<Vec<_>>(),
        [(1, None), (2, tag("v1.4.0-rc.2")), (3, tag("v1.4.0-rc.3"))]
    );
    let between: Vec<(Option<String>, String)> = answered
        .iter()
        .filter_map(|(_, effect)| match effect {
            Effect::Resolve {
                reading: Reading::Notes { previous, current },
                ..
            } => Some((previous.as_ref().map(ToString::to_string), current.to_string())),
            _ => None,
        })
        .collect();
    assert_eq!(
        between,
        [
            (tag("v1.3.0"), "v1.4.0-rc.2".to_owned()),
            (tag("v1.4.0-rc.2"), "v1.4.0-rc.3".to_owned()),
            (tag("v1.3.0"), "v1.4.0".to_owned()),
        ]
    );
}

fn edit(target_date: Timestamp) -> Command {
    Command::Edit {
        edit: Edit {
            target_date: Some(target_date),
            ..Edit::default()
        },
    }
}

#[test]
fn a_slot_that_is_overdue_or_past_the_target_date_hinders_nobody() {
    let mut wanted = draft(plan(&[ANDROID]));
    wanted.target_date = Some(start() + Span::hours(3));
    let mut world = World::of(wanted);
    assert!(world.command(Command::Pause { note: None }));
    world.now = start() + Span::minutes(90);
    world.tick();
    // The first slot waits and is overdue: everything can be changed all the same, itself too.
    let first = *world.release().slots.keys().next().unwrap();
    let mut changed = world.release().slots[&first].clone();
    changed.automation = AutomationWanted::NoRun;
    assert!(world.command(Command::ChangeSlot { slot: changed }));
    let second = SlotId::from_uuid(uuid::Uuid::from_u128(201));
    let mut later = world.release().slots[&second].clone();
    later.at = start() + Span::minutes(150);
    assert!(world.command(Command::ChangeSlot { slot: later }));
    assert!(world.command(Command::AddSlot {
        slot: slot(300, start() + Span::hours(3)),
    }));
    assert!(
        world.command(edit(start() + Span::hours(2))),
        "now two slots lie behind the target date"
    );
    assert!(world.command(Command::Resume));
    go(&mut world, nothing, |it| it.release().phase() == Phase::Completed).expect("it completes");
    assert!(world.release().slots.is_empty());
    assert_eq!(world.release().cycles.len(), 3);
}

#[test]
fn reminders_are_told_once_and_in_time() {
    let mut settings = plan(&[ANDROID]);
    settings.chat = Some(ChatPlan {
        integration: IntegrationId::from_uuid(uuid::Uuid::from_u128(6)),
        topics: [Topic::Releases, Topic::Builds, Topic::Regression, Topic::Critical].into(),
    });
    let mut wanted = draft(settings);
    let hours = |hours: i64| start() + Span::hours(hours);
    wanted.kickoff_at = hours(2);
    wanted.kickoff_reminder_at = Some(hours(1));
    wanted.slots = vec![slot(200, hours(6)), slot(201, hours(9))];
    let mut world = World::of(wanted);
    let answered =
        go(&mut world, nothing, |it| it.release().phase() == Phase::Completed).expect("it completes");
    let told: Vec<(Timestamp, &str, Topic)> = answered
        .iter()
        .filter_map(|(at, effect)| match effect {
            Effect::Message { topic, note, .. } if note.kind.contains("REMINDER") => {
                Some((*at, note.kind.as_str(), *topic))
            }
            _ => None,
        })
        .collect();
    let (kickoff, cycle) = ("PRE_KICKOFF_REMINDER", "REGRESSION_KICKOFF_REMINDER");
    let mut expected = vec![
        (hours(1), kickoff, Topic::Releases),
        (hours(1), kickoff, Topic::Regression),
        (hours(5), cycle, Topic::Regression),
        (hours(8), cycle, Topic::Regression),
    ];
    let mut told = told;
    told.sort_unstable();
    expected.sort_unstable();
    assert_eq!(told, expected);
}

#[test]
fn store_builds_of_two_platforms_run_side_by_side() {
    let mut world = World::new(plan(&BOTH));
    let store = |effect: &Effect| {
        is_watch(effect)
            && (of(TaskKind::CreateAabBuild)(effect) || of(TaskKind::TriggerTestFlightBuild)(effect))
    };
    let both = |it: &World| it.live.values().filter(|effect| store(effect)).count() == 2;
    go(&mut world, store, both).expect("neither waits for the other");
    let ios = live(&world, |effect| {
        store(effect) && of(TaskKind::TriggerTestFlightBuild)(effect)
    });
    seen(
        &mut world,
        &ios,
        run_ended(RunResult::Failed, RunProduct::default()),
    );
    assert!(go(&mut world, nothing, |it| it.release().stage != Stage::PreRelease).is_none());
    let android = TaskKey::once(TaskKind::CreateAabBuild).target(ANDROID);
    assert!(world.release().task(&android).unwrap().state.settled());
    assert!(world.release().store_build(ANDROID).is_some());
}

#[test]
fn a_release_without_a_store_comes_to_its_end() {
    for targets in [
        &[TargetKey::WebEnvironment][..],
        &[TargetKey::WebEnvironment, TargetKey::ServiceEnvironment],
    ] {
        let mut world = World::new(plan(targets));
        go(&mut world, nothing, |it| it.release().phase() == Phase::Completed).expect("it completes");
        assert!(world.release().shipments.is_empty());
    }
}

#[test]
fn a_target_that_is_live_waits_for_one_that_is_not_submitted() {
    let mut settings = plan(&BOTH);
    settings.targets.get_mut(&IOS).unwrap().settings.submit = SubmitMode::ByPerson;
    let mut world = World::new(settings);
    assert!(go(&mut world, nothing, |it| it.release().stage == Stage::Completed).is_none());
    let release = world.release();
    assert_eq!(release.stage, Stage::Distribution);
    assert!(release.shipments[&ANDROID].state.live);
    assert_eq!(release.shipments[&IOS].state.status, "PREPARING");
    let ios = submissions(&world)
        .into_iter()
        .find(|it| it.start.target == IOS)
        .unwrap();
    let submit = AnyCommand::Submission(submission::Command::Submit);
    assert!(child(&mut world, ios.aggregate_id(), &submit));
    go(&mut world, nothing, |it| it.release().stage == Stage::Completed).expect("it completes");
}

#[test]
fn what_is_submitted_rejected_or_halted_is_not_out() {
    let reviewed = || {
        let mut world = World::new(plan(&[ANDROID]));
        go(&mut world, is_review, |it| waits(it, is_review)).expect("it is reviewed");
        world
    };
    // Nobody ever says how the review went.
    let mut world = reviewed();
    assert!(
        go(&mut world, is_review, |it| {
            it.release().stage != Stage::Distribution
        })
        .is_none()
    );
    let mut world = reviewed();
    let review = live(&world, is_review);
    world.now += Span::minutes(2);
    let state = ReviewState {
        word: ReviewWord::Rejected,
        store_word: "REJECTED".to_owned(),
        explanation: Some("a broken link".to_owned()),
    };
    seen(&mut world, &review, Sighting::Review { state });
    assert!(
        go(&mut world, nothing, |it| it.release().stage
            != Stage::Distribution)
        .is_none()
    );
    assert_eq!(hold_words(&world), ["TASK_FAILED"]);
    assert!(world.command(Command::RetryTask {
        task: TaskKey::once(TaskKind::SubmitToStore).target(ANDROID),
        force: Force::No
    }));
    go(&mut world, is_rollout, |it| waits(it, is_rollout)).expect("it rolls out");
    let id = rollouts(&world)[0].aggregate_id();
    let halt = AnyCommand::Rollout(rollout::Command::Halt {
        reason: "crashes".to_owned(),
    });
    assert!(child(&mut world, id, &halt));
    let reads = |effect: &Effect| {
        matches!(
            effect,
            Effect::Resolve {
                reading: Reading::Exposure { .. },
                ..
            }
        )
    };
    go(
        &mut world,
        |effect| is_rollout(effect) || reads(effect),
        |it| waits(it, reads),
    )
    .expect("it is halted");
    let read_back = live(&world, reads);
    let exposure = Exposure {
        word: ExposureWord::Halted,
        bps: 100,
        store_word: "halted".to_owned(),
    };
    found(&mut world, &read_back, Finding::Exposure { exposure });
    assert!(
        go(&mut world, is_rollout, |it| it.release().stage
            != Stage::Distribution)
        .is_none()
    );
    let shipment = &world.release().shipments[&ANDROID].state;
    assert_eq!((shipment.status.as_str(), shipment.live), ("HALTED", false));
    assert!(shipment.blocker.is_some());
}

#[test]
fn a_word_nobody_knows_moves_nothing_and_is_shown() {
    let mut world = World::new(plan(&[IOS]));
    go(&mut world, is_review, |it| waits(it, is_review)).expect("it is reviewed");
    let review = live(&world, is_review);
    let mut says = |word, store_word: &str| {
        let state = ReviewState {
            word,
            store_word: store_word.to_owned(),
            explanation: None,
        };
        seen(&mut world, &review, Sighting::Review { state });
        let it = submissions(&world).remove(0);
        (it.status, it.review.unwrap().store_word)
    };
    let new = "A_WORD_OF_NEXT_YEAR".to_owned();
    assert_eq!(says(ReviewWord::InReview, "IN_REVIEW").0, ReviewWord::InReview);
    assert_eq!(
        says(ReviewWord::Unknown, &new),
        (ReviewWord::InReview, new.clone())
    );
    assert_eq!(
        says(ReviewWord::Approved, "PENDING_DEVELOPER_RELEASE").0,
        ReviewWord::Approved
    );
    assert_eq!(
        says(ReviewWord::Unknown, &new),
        (ReviewWord::Approved, new.clone())
    );

    go(&mut world, is_rollout, |it| waits(it, is_rollout)).expect("it is live");
    let watch = live(&world, is_rollout);
    let mut shows = |word, bps, store_word: &str| {
        let exposure = Exposure {
            word,
            bps,
            store_word: store_word.to_owned(),
        };
        seen(&mut world, &watch, Sighting::Rollout { exposure });
        let it = rollouts(&world).remove(0);
        (it.status, it.exposure)
    };
    use rollout::Status;
    assert_eq!(
        shows(ExposureWord::Active, 1_000, "ACTIVE"),
        (Status::Active, 1_000)
    );
    assert_eq!(
        shows(ExposureWord::Paused, 1_000, "PAUSED"),
        (Status::Paused, 1_000)
    );
    assert_eq!(shows(ExposureWord::Unknown, 0, &new), (Status::Paused, 1_000));
    // Going on begins where it stood, not at the first percent.
    assert_eq!(
        shows(ExposureWord::Active, 1_000, "ACTIVE"),
        (Status::Active, 1_000)
    );
}

#[test]
fn a_bundle_made_by_hand_keeps_the_number_it_was_handed_in_with() {
    // Handed in before anybody asked for it, and after.
    for early in [true, false] {
        let mut settings = plan(&[ANDROID]);
        settings.targets.get_mut(&ANDROID).unwrap().builds = BuildMode::Manual;
        settings.pre_regression_builds = false;
        let mut wanted = draft(settings);
        for slot in &mut wanted.slots {
            slot.builds = BuildsWanted::NoBuild;
        }
        let mut world = World::of(wanted);
        let task = TaskKey::once(TaskKind::CreateAabBuild).target(ANDROID);
        let state = |it: &World| it.release().task(&task).map(|it| it.state.clone());
        if early {
            go(&mut world, of(TaskKind::CreateReleaseTag), |it| {
                state(it).is_some()
            })
            .expect("it is planned");
            assert_eq!(state(&world), Some(TaskState::Pending));
        } else {
            let asked = |it: &World| matches!(state(it), Some(TaskState::AwaitingManual { .. }));
            go(&mut world, nothing, asked).expect("it is asked for");
        }
        let product = RunProduct {
            sha: "a".repeat(40).parse().ok(),
            artifact_url: Some("https://files.example/app-release-99.aab".to_owned()),
            build_number: Some("4711".to_owned()),
            ..RunProduct::default()
        };
        assert!(world.command(Command::UploadBuild { task, product }));
        let answered =
            go(&mut world, nothing, |it| it.release().phase() == Phase::Completed).expect("it completes");
        let asked = answered.iter().find_map(|(_, effect)| match effect {
            Effect::Resolve {
                reading: Reading::StoreBuild { build_number, .. },
                ..
            } => Some(build_number.clone()),
            _ => None,
        });
        assert_eq!(asked, Some(Some("4711".to_owned())));
        assert_eq!(submissions(&world)[0].start.version.build_number, "4711");
    }
}

#[test]
fn a_tag_or_publication_that_fails_holds_its_stage_until_it_is_tried_again() {
    for kind in [TaskKind::CreateReleaseTag, TaskKind::CreateFinalReleaseNotes] {
        let mut world = World::new(plan(&[ANDROID]));
        let writes = |effect: &Effect| matches!(effect, Effect::Perform { .. }) && of(kind)(effect);
        go(&mut world, writes, |it| waits(it, writes)).expect("it is written");
        fail(&mut world, writes, Outcome::NotDone);
        assert!(
            go(&mut world, nothing, |it| it.release().stage != Stage::PreRelease).is_none(),
            "{kind}"
        );
        assert_eq!(hold_words(&world), ["TASK_FAILED"], "{kind}");
        let task = TaskKey::once(kind);
        assert!(world.command(Command::RetryTask {
            task,
            force: Force::No
        }));
        go(&mut world, nothing, |it| it.release().phase() == Phase::Completed).expect("it completes");
    }
}
