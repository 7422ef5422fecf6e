//! Drives real machines through everything the document tells of: the usual way, and at every new place each command
//! and each bad answer.

use super::common::{answer, draft, plan, slot, start};
use super::lab::{Outcome, Seen, Subject, command_word, tag, task_tag};
use delivr_domain::aggregate::{self, Aggregate};
use delivr_domain::board::TaskState;
use delivr_domain::effect::{Effect, Reference, Topic};
use delivr_domain::ids::IntegrationId;
use delivr_domain::key::{TargetKey, TaskKey, TaskKind};
use delivr_domain::plan::{BuildMode, ChatPlan, GatedStage, MissedSlot, Plan, Purpose};
use delivr_domain::release::command::Force;
use delivr_domain::release::event::Edit;
use delivr_domain::release::hold::Scope;
use delivr_domain::release::state::{Decision, Draft, Verdict};
use delivr_domain::release::{Command, work};
use delivr_domain::report::{
    Cause, ChildState, Class, Finding, Outcome as Known, Performed, Report, Resolved, RunProduct, RunResult,
    RunState, Sighting, TestTotals,
};
use delivr_domain::time::Span;
use std::collections::{BTreeMap, BTreeSet};

/// A plan with everything on.
pub(crate) fn full_plan() -> Plan {
    let mut settings = plan(TargetKey::ALL);
    settings.chat = Some(ChatPlan {
        integration: IntegrationId::from_uuid(uuid::Uuid::from_u128(6)),
        topics: Topic::ALL.iter().copied().collect(),
    });
    settings
}

type Answers = fn(&Effect) -> Option<Report>;

fn well(effect: &Effect) -> Option<Report> {
    answer(effect).map(|(_, report)| report)
}

/// Runs whose product is changed before it is reported.
fn with_product(effect: &Effect, change: fn(&mut RunProduct)) -> Option<Report> {
    let mut report = well(effect)?;
    if let Report::Seen {
        sighting: Sighting::Run {
            state: RunState::Ended { product, .. },
        },
        ..
    } = &mut report
    {
        change(product);
    }
    Some(report)
}

fn without_commit(effect: &Effect) -> Option<Report> {
    with_product(effect, |product| product.sha = None)
}

fn of_other_commit(effect: &Effect) -> Option<Report> {
    with_product(effect, |product| product.sha = "b".repeat(40).parse().ok())
}

fn failing_tests(effect: &Effect) -> Option<Report> {
    let mut report = well(effect)?;
    if let Report::Resolved {
        resolved: Resolved::Found {
            finding: Finding::Totals { totals },
        },
        ..
    } = &mut report
    {
        *totals = TestTotals {
            total: 10,
            passed: 1,
            failed: 9,
            untested: 0,
        };
    }
    Some(report)
}

/// What a driver remembers so that nothing is tried twice at the same kind of place.
#[derive(Debug, Default)]
pub(crate) struct Driver {
    tried: BTreeSet<String>,
}

/// Every release scenario.
pub(crate) fn releases(seen: &mut Seen) {
    let mut driver = Driver::default();
    let all_on = || {
        let mut it = draft(full_plan());
        it.kickoff_at = start() + Span::hours(2);
        it.kickoff_reminder_at = Some(start() + Span::hours(1));
        it.slots = vec![
            slot(200, start() + Span::hours(4)),
            slot(201, start() + Span::hours(6)),
        ];
        it
    };
    driver.run(seen, all_on(), well);

    let mut by_hand = all_on();
    by_hand.plan.auto_start.clear();
    by_hand.plan.quorum = GatedStage::ALL.iter().map(|stage| (*stage, 1)).collect();
    for target in by_hand.plan.targets.values_mut() {
        target.builds = BuildMode::Manual;
        target.pipelines.remove(&Purpose::Deploy);
    }
    driver.run(seen, by_hand, well);

    // What depends on one target alone is tried with one: boards, and the time this takes, stay small.
    let small = || {
        let mut it = all_on();
        let store = TargetKey::AndroidPlayStore;
        it.plan.targets.retain(|target, _| *target == store);
        it
    };
    let mut bare = small();
    bare.plan.tracker = None;
    bare.plan.scm.publishes_releases = false;
    bare.plan.testing = None;
    bare.plan.scm.existing_branch = "release/by-hand".parse().ok();
    let reason = "the provider has no pull requests".to_owned();
    bare.plan.left_out.insert(TaskKind::MergeBack, reason);
    driver.run(seen, bare, well);

    let mut untested = small();
    untested.plan.allow_zero_cycles = true;
    untested.slots.clear();
    driver.run(seen, untested, well);

    let mut only_web = all_on();
    only_web
        .plan
        .targets
        .retain(|target, _| *target == TargetKey::WebEnvironment);
    driver.run(seen, only_web, well);

    let mut unjudged = small();
    unjudged.plan.automation = false;
    unjudged.slots[0].missed = MissedSlot::Skip;
    unjudged.slots.truncate(1);
    unjudged.slots.push(slot(202, start() + Span::hours(6)));
    driver.run(seen, unjudged, well);

    driver.run(seen, small(), failing_tests);
    driver.run(seen, small(), without_commit);
    driver.run(seen, small(), of_other_commit);
}

/// A release in the stores, with everything that has happened on the way there.
pub(crate) fn in_distribution(seen: &mut Seen) -> Aggregate {
    let mut settings = full_plan();
    settings
        .targets
        .retain(|target, _| *target == TargetKey::AndroidPlayStore);
    let facts = BTreeMap::new();
    let cx = delivr_domain::release::gate::Context {
        now: start(),
        actor: "pat",
        facts: &facts,
    };
    let stepped = Aggregate::create(draft(settings), &cx);
    let mut subject = Subject::born(&stepped, start(), seen);
    while subject.release().phase().word() != "DISTRIBUTION" {
        assert!(usual_move(seen, &mut subject, well), "it goes on");
    }
    subject.state
}

impl Driver {
    fn fresh(&mut self, of: String) -> bool {
        self.tried.insert(of)
    }

    fn run(&mut self, seen: &mut Seen, draft: Draft, answers: Answers) {
        let stepped = {
            let facts = BTreeMap::new();
            let cx = delivr_domain::release::gate::Context {
                now: start(),
                actor: "pat",
                facts: &facts,
            };
            Aggregate::create(draft, &cx)
        };
        let mut subject = Subject::born(&stepped, start(), seen);
        for _ in 0..2_000 {
            self.visit(seen, &subject);
            if !usual_move(seen, &mut subject, answers) {
                return;
            }
        }
        panic!("no end after 2000 moves, in {}", subject.release().stage);
    }

    /// Tries at this place what has not been tried at a place of its kind.
    fn visit(&mut self, seen: &mut Seen, subject: &Subject) {
        let phase = subject.release().phase();
        self.commands(seen, subject);
        self.task_commands(seen, subject);
        for effect in subject.state.outstanding() {
            let Some(key) = effect.key() else { continue };
            for (label, report) in bad_answers(&effect) {
                if self.fresh(format!("{} {} {label}", effect.word(), key.task.kind)) {
                    let mut copy = subject.clone();
                    copy.report(seen, &report);
                    self.task_commands(seen, &copy);
                    self.mend(seen, &copy, &effect);
                }
            }
        }
        if self.fresh(format!("{phase} much later")) {
            let mut copy = subject.clone();
            copy.wait(seen, Span::days(30));
            self.task_commands(seen, &copy);
        }
        if self.fresh(format!("{phase} facts")) {
            for (head, tickets) in [("a", "PROJ-1 (Open)"), ("b", "approved")] {
                let mut copy = subject.clone();
                copy.know(head, tickets);
                copy.tick(seen);
            }
        }
        if self.fresh(format!("{phase} paused")) {
            self.pause(seen, subject);
        }
        if self.fresh(format!("{phase} ends")) {
            self.end(seen, subject);
        }
        let board = subject.release().board.iter();
        let states: BTreeSet<&str> = board.map(|task| task_tag(&task.state)).collect();
        if self.fresh(format!("archived with {states:?}")) {
            let reason = "not now".to_owned();
            let (close_tickets, delete_branch) = (false, false);
            subject.clone().command(
                seen,
                Command::Archive {
                    reason,
                    close_tickets,
                    delete_branch,
                },
            );
        }
        if self.fresh(format!("{phase} abandoned"))
            && let Some(cycle) = subject.release().active_cycle().map(|cycle| cycle.number)
        {
            let mut copy = subject.clone();
            let reason = "wrong commit".to_owned();
            copy.command(seen, Command::AbandonCycle { cycle, reason });
            self.commands(seen, &copy);
            self.task_commands(seen, &copy);
        }
        if self.fresh(format!("{phase} judged")) {
            let mut copy = subject.clone();
            if let Some(cycle) = copy.release().cycles.last().map(|cycle| cycle.number) {
                let note = "10 of 10".to_owned();
                let verdict = Verdict::Passed;
                copy.know("a", "approved");
                copy.command(seen, Command::RecordVerdict { cycle, verdict, note });
                copy.tick(seen);
            }
        }
    }

    fn commands(&mut self, seen: &mut Seen, subject: &Subject) {
        let release = subject.release();
        let column = release.phase().to_string();
        // Where fresh facts alone would open the gate, commands are tried without them.
        let mut informed = subject.clone();
        if column.starts_with("AWAITING") {
            informed.know("a", "approved");
            informed.tick(seen);
            if informed.release().stage != release.stage {
                informed = subject.clone();
            }
        }
        // Whether users get it decides about the closing, a cycle's state about what may be said of it.
        let exposed = release.shipments.values().any(|it| it.state.exposure > 0);
        let cycles: BTreeSet<&str> = release.cycles.iter().map(|it| it.state.word()).collect();
        let place = format!(
            "{column} {} {} {exposed} {cycles:?} {} {}",
            release.plan().quorum.len(),
            release.shipments.len(),
            release.slots.is_empty(),
            informed.facts.is_empty()
        );
        if !self.fresh(place) {
            return;
        }
        for command in commands(&informed) {
            let word = command_word(&aggregate::Command::Release(command.clone()));
            let mut copy = informed.clone();
            match &command {
                Command::Resume => {
                    copy.command(seen, Command::Pause { note: None });
                }
                Command::Unblock => {
                    let reason = "waits for legal".to_owned();
                    let scope = Scope::Production;
                    copy.command(seen, Command::Block { reason, scope });
                }
                Command::Trigger { stage, .. } => {
                    let mut approved = copy.clone();
                    let (stage, decision, comment) = (*stage, Decision::Approved, None);
                    let decide = Command::Decide {
                        stage,
                        decision,
                        comment,
                    };
                    approved.command(seen, decide);
                    if approved.release().stage == subject.release().stage {
                        let outcome = approved.command(seen, command.clone());
                        seen.tried(&word, &column, outcome);
                    }
                }
                _ => {}
            }
            let outcome = copy.command(seen, command);
            seen.tried(&word, &column, outcome);
        }
    }

    fn task_commands(&mut self, seen: &mut Seen, subject: &Subject) {
        let closed = subject.release().terminal();
        for task in subject.release().board.iter() {
            let column = task_tag(&task.state);
            let known = task.failure().map_or("", |(_, outcome)| outcome.word());
            if !self.fresh(format!("{} {column} {known} {closed}", task.key.kind)) {
                continue;
            }
            for command in task_commands(task.key) {
                let word = command_word(&aggregate::Command::Release(command.clone()));
                let mut copy = subject.clone();
                let outcome = copy.command(seen, command);
                // A closed release is a column of the other table; here tasks of open ones are compared.
                if !closed {
                    seen.tried(&word, &format!("TASK {column}"), outcome);
                }
                if let Some(asked) = copy.release().board.find(&task.key)
                    && asked.skip_after_look_up.is_some()
                {
                    looked_up(seen, &copy, task.key);
                }
            }
        }
    }

    /// After a bad answer: the same answer again, much later, and an integration that works again.
    fn mend(&mut self, seen: &mut Seen, subject: &Subject, effect: &Effect) {
        let mut copy = subject.clone();
        let integration = IntegrationId::from_uuid(uuid::Uuid::from_u128(1));
        let outcome = copy.command(seen, Command::IntegrationRestored { integration });
        if outcome == Outcome::Accepted {
            let phase = subject.release().phase().to_string();
            seen.tried("INTEGRATION_RESTORED", &phase, outcome);
        }
        let mut copy = subject.clone();
        copy.command(
            seen,
            Command::Archive {
                reason: "not now".to_owned(),
                close_tickets: true,
                delete_branch: true,
            },
        );
        if let Some(report) = well(effect) {
            copy.report(seen, &report);
        }
    }

    fn pause(&mut self, seen: &mut Seen, subject: &Subject) {
        let mut copy = subject.clone();
        copy.command(seen, Command::Pause { note: None });
        for effect in copy.state.outstanding() {
            let Some(key) = effect.key().copied() else {
                continue;
            };
            let report = match &effect {
                Effect::Perform { .. } => Report::Performed {
                    key,
                    performed: Performed::Parked,
                },
                Effect::Resolve { .. } => Report::Resolved {
                    key,
                    resolved: Resolved::Parked,
                },
                _ => continue,
            };
            copy.report(seen, &report);
        }
        self.task_commands(seen, &copy);
        // Everything that was due meanwhile follows at once.
        copy.now += Span::hours(3);
        copy.know("a", "approved");
        copy.tick(seen);
        copy.command(seen, Command::Resume);
    }

    /// Both ends before the end, and what is still possible there.
    fn end(&mut self, seen: &mut Seen, subject: &Subject) {
        let archive = Command::Archive {
            reason: "not now".to_owned(),
            close_tickets: true,
            delete_branch: true,
        };
        let mut copy = subject.clone();
        let late: Vec<Effect> = copy.state.outstanding();
        copy.command(seen, archive);
        self.commands(seen, &copy);
        for effect in &late {
            if let Some(report) = well(effect) {
                copy.report(seen, &report);
            }
        }
        for _ in 0..100 {
            if !usual_move(seen, &mut copy, well) {
                break;
            }
        }
        let mut copy = subject.clone();
        for (target, submission) in shipped(&copy) {
            for status in ["LIVE", "HALTED"] {
                let exposure = 100;
                copy.now += Span::seconds(1);
                copy.report(seen, &child(target, submission, status, exposure, false, &copy));
                self.commands(seen, &copy);
            }
        }
        let reason = "users get the old version again".to_owned();
        copy.command(seen, Command::CloseRolledBack { reason });
        self.commands(seen, &copy);
    }
}

/// The ways a skip of something unknown can end.
fn looked_up(seen: &mut Seen, subject: &Subject, task: TaskKey) {
    let row = subject
        .state
        .outstanding()
        .into_iter()
        .find_map(|effect| effect.key().filter(|key| key.task == task).copied());
    let Some(key) = row else { return };
    let reference = Reference::id("there");
    for performed in [Performed::Absent, Performed::Done { reference }] {
        let mut copy = subject.clone();
        copy.report(seen, &Report::Performed { key, performed });
    }
}

/// One move as everything goes well; whether there was one.
fn usual_move(seen: &mut Seen, subject: &mut Subject, answers: Answers) -> bool {
    if let Some(report) = subject.state.outstanding().iter().find_map(answers) {
        subject.report(seen, &report);
        return true;
    }
    let waiting = subject.release().board.iter().find_map(|task| match &task.state {
        TaskState::AwaitingManual { .. } => Some((task.key, true)),
        TaskState::AwaitingChild { .. } => Some((task.key, false)),
        _ => None,
    });
    match waiting {
        Some((task, true)) if work::makes_build(task.kind) => {
            let product = RunProduct {
                build_number: Some("9".to_owned()),
                sha: "a".repeat(40).parse().ok(),
                ..RunProduct::default()
            };
            subject.command(seen, Command::UploadBuild { task, product });
            return true;
        }
        Some((task, true)) => {
            let reason = "done in the console".to_owned();
            let reference = None;
            subject.command(
                seen,
                Command::CompleteTask {
                    task,
                    reason,
                    reference,
                },
            );
            return true;
        }
        Some((task, false)) => {
            ship(seen, subject, task.target.expect("a target"));
            return true;
        }
        None => {}
    }
    if let Some(at) = subject.state.wake_at() {
        subject.now = subject.now.max(at);
        subject.tick(seen);
        return true;
    }
    let stage = match subject.release().phase().word() {
        "AWAITING_REGRESSION" => GatedStage::Regression,
        "AWAITING_PRE_RELEASE" => GatedStage::PreRelease,
        "AWAITING_DISTRIBUTION" => GatedStage::Distribution,
        _ => return false,
    };
    subject.know("a", "approved");
    if subject.tick(seen) == Outcome::Accepted {
        return true;
    }
    let decision = Decision::Approved;
    let comment = None;
    subject.command(
        seen,
        Command::Decide {
            stage,
            decision,
            comment,
        },
    );
    if subject.command(
        seen,
        Command::Trigger {
            stage,
            override_reason: None,
        },
    ) != Outcome::Accepted
    {
        let override_reason = Some("known and accepted".to_owned());
        subject.command(
            seen,
            Command::Trigger {
                stage,
                override_reason,
            },
        );
    }
    true
}

fn shipped(subject: &Subject) -> Vec<(TargetKey, delivr_domain::ids::SubmissionId)> {
    let release = subject.release();
    let children = release
        .board
        .iter()
        .filter(|task| matches!(task.state, TaskState::AwaitingChild { .. }));
    children
        .filter_map(|task| Some((task.key.target?, work::submission_id(release, task))))
        .collect()
}

fn child(
    target: TargetKey,
    submission: delivr_domain::ids::SubmissionId,
    status: &str,
    exposure: u16,
    live: bool,
    subject: &Subject,
) -> Report {
    Report::ChildChanged {
        target,
        submission,
        rollout: None,
        state: ChildState {
            status: status.to_owned(),
            exposure,
            live,
            blocker: None,
            store_words: None,
            at: subject.now,
        },
    }
}

/// A submission through review and rollout, with a refusal on a copy.
fn ship(seen: &mut Seen, subject: &mut Subject, target: TargetKey) {
    let (_, submission) = shipped(subject)
        .into_iter()
        .find(|(it, _)| *it == target)
        .expect("a submission");
    for status in ["REJECTED", "CANCELLED", "SUSPENDED", "ACTION_REQUIRED", "PAUSED"] {
        let mut copy = subject.clone();
        copy.report(seen, &child(target, submission, status, 0, false, &copy));
        let task = delivr_domain::release::catalogue::ship_task(target);
        copy.command(
            seen,
            Command::RetryTask {
                task,
                force: Force::No,
            },
        );
    }
    for (status, exposure, live) in [
        ("SUBMITTED", 0, false),
        ("LIVE", 100, false),
        ("LIVE", 10_000, true),
    ] {
        // News that is not newer than what is known is no news.
        subject.now += Span::seconds(1);
        let report = child(target, submission, status, exposure, live, subject);
        subject.report(seen, &report);
    }
}

fn cause(code: &str) -> Cause {
    Cause::new(code, "a person must look", Class::NeedsHuman)
}

/// What can go wrong with a row, each with a name.
pub(crate) fn bad_answers(effect: &Effect) -> Vec<(String, Report)> {
    let Some(key) = effect.key().copied() else {
        return Vec::new();
    };
    let run = |state| Report::Seen {
        key,
        sighting: Sighting::Run { state },
    };
    match effect {
        Effect::Perform { .. } => {
            let failed = |cause: &Cause, outcome| Report::Performed {
                key,
                performed: Performed::Failed {
                    cause: cause.clone(),
                    outcome,
                },
            };
            let mut all: Vec<(String, Report)> = Known::ALL
                .iter()
                .map(|known| (known.to_string(), failed(&cause("refused"), *known)))
                .collect();
            let mut credential = cause("credential_rejected");
            credential.integration = Some(IntegrationId::from_uuid(uuid::Uuid::from_u128(1)));
            all.push(("credential".to_owned(), failed(&credential, Known::NotDone)));
            all
        }
        Effect::Resolve { .. } => vec![(
            "failed".to_owned(),
            Report::Resolved {
                key,
                resolved: Resolved::Failed {
                    cause: cause("refused"),
                },
            },
        )],
        Effect::Watch { watched, .. } if tag(watched, "watch") == "RUN" => {
            let product = RunProduct::default;
            let ended = |result| {
                let product = product();
                (
                    format!("ended {result}"),
                    run(RunState::Ended { result, product }),
                )
            };
            let mut all: Vec<(String, Report)> = RunResult::ALL.iter().copied().map(ended).collect();
            all.push(("running".to_owned(), run(RunState::Running)));
            all.push(("gone".to_owned(), run(RunState::Gone)));
            all
        }
        _ => Vec::new(),
    }
}

/// Commands that suit the state as far as their values go.
fn commands(subject: &Subject) -> Vec<Command> {
    let release = subject.release();
    let text = || "because".to_owned();
    let later = subject.now + Span::hours(1);
    let mut all = vec![
        Command::Start,
        Command::Pause { note: None },
        Command::Resume,
        Command::Block {
            reason: text(),
            scope: Scope::Everything,
        },
        Command::Unblock,
        Command::Archive {
            reason: text(),
            close_tickets: false,
            delete_branch: false,
        },
    ];
    for stage in GatedStage::ALL.iter().copied() {
        let override_reason = None;
        all.push(Command::Trigger {
            stage,
            override_reason,
        });
    }
    for stage in GatedStage::ALL.iter().copied() {
        let decision = Decision::Approved;
        let comment = None;
        all.push(Command::Decide {
            stage,
            decision,
            comment,
        });
    }
    all.push(Command::AddSlot {
        slot: slot(900, later.max(release.draft.kickoff_at)),
    });
    if let Some(known) = release.slots.values().next() {
        let mut changed = known.clone();
        changed.at = later.max(known.at + Span::minutes(1));
        all.push(Command::ChangeSlot { slot: changed });
        all.push(Command::RemoveSlot { slot: known.id });
    }
    all.push(Command::StartCycle);
    for cycle in &release.cycles {
        let cycle = cycle.number;
        all.push(Command::AbandonCycle {
            cycle,
            reason: text(),
        });
        let verdict = Verdict::Passed;
        all.push(Command::RecordVerdict {
            cycle,
            verdict,
            note: text(),
        });
    }
    let titled = Edit {
        title: Some("Shop 1.4, with gifts".to_owned()),
        ..Edit::default()
    };
    let moved = Edit {
        kickoff_at: Some(later.max(release.draft.kickoff_at + Span::minutes(1))),
        ..Edit::default()
    };
    all.push(Command::ChangeBuildMode {
        target: TargetKey::AndroidPlayStore,
        mode: BuildMode::Manual,
    });
    all.push(Command::ChangeBuildMode {
        target: TargetKey::AndroidPlayStore,
        mode: BuildMode::Pipeline,
    });
    all.push(Command::Edit { edit: titled });
    all.push(Command::Edit { edit: moved });
    all.push(Command::IntegrationRestored {
        integration: IntegrationId::from_uuid(uuid::Uuid::from_u128(1)),
    });
    all.push(Command::CloseRolledBack { reason: text() });
    for to in [GatedStage::Regression, GatedStage::PreRelease] {
        all.push(Command::Rework { to, reason: text() });
    }
    let replan = |change: fn(&mut Plan)| {
        let mut plan = release.plan().clone();
        change(&mut plan);
        Command::Replan { plan: Box::new(plan) }
    };
    all.push(replan(|plan| plan.deadlines.poll_seconds += 1));
    all.push(replan(|plan| {
        plan.scm.base = "trunk".parse().expect("a ref name");
    }));
    all
}

fn task_commands(task: TaskKey) -> Vec<Command> {
    let reason = || "because".to_owned();
    let reference = Some(Reference::id("release/1.4.0"));
    let product = RunProduct {
        build_number: Some("9".to_owned()),
        ..RunProduct::default()
    };
    vec![
        Command::RetryTask {
            task,
            force: Force::No,
        },
        Command::RetryTask {
            task,
            force: Force::AcceptDuplicate,
        },
        Command::SkipTask {
            task,
            reason: reason(),
        },
        Command::CompleteTask {
            task,
            reason: reason(),
            reference: None,
        },
        Command::CompleteTask {
            task,
            reason: reason(),
            reference,
        },
        Command::UploadBuild { task, product },
    ]
}
