//! Drives real machines through everything the document tells of: the usual way, and at every new place each command
//! and each bad answer.

use super::common::{answer, draft, plan, slot, start};
use super::inputs::{bad_answers, child, commands, looked_up, shipped, task_commands, usual_move};
use super::lab::{Outcome, Seen, Subject, command_word, task_tag};

use delivr_domain::aggregate::Aggregate;
use delivr_domain::effect::{Effect, Topic};
use delivr_domain::ids::IntegrationId;
use delivr_domain::key::{TargetKey, TaskKind};
use delivr_domain::plan::{BuildMode, ChatPlan, GatedStage, MissedSlot, Plan, Purpose};
use delivr_domain::release::Command;
use delivr_domain::release::hold::{Hold, Scope};
use delivr_domain::release::state::{Decision, Draft, Verdict};
use delivr_domain::report::{
    Finding, Performed, Report, Resolved, RunProduct, RunState, Sighting, TestTotals,
};
use delivr_domain::time::Span;
use delivr_domain::{aggregate, release};
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

/// What a vendor answers to a row; none for a row that has nothing to say.
pub(crate) type Answers = fn(&Effect) -> Option<Report>;

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
                Command::ClearDrift { .. } => {
                    // Without anything to clear, too.
                    let outcome = copy.clone().command(seen, command.clone());
                    seen.tried(&word, &column, outcome);
                    let hold = Hold::Drift {
                        target: None,
                        sentence: "T-1 and T-2 stand under one mark".to_owned(),
                    };
                    let placed = release::Event::HoldPlaced { hold };
                    copy.state = copy.state.evolve(&aggregate::Event::Release(placed), copy.now);
                }
                Command::Trigger { stage, .. } => {
                    self.unnamed_build(seen, &informed, *stage);
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

    /// The newest build of a store target has no number: no reason passes the gate.
    fn unnamed_build(&mut self, seen: &mut Seen, subject: &Subject, stage: GatedStage) {
        let release = subject.release();
        let store = release.plan().targets.keys().find(|target| target.is_store());
        let Some(build) = store.and_then(|target| release.store_build(*target)) else {
            return;
        };
        let mut unnamed = build.clone();
        unnamed.build_number = None;
        let arrived = release::Event::BuildArrived { build: unnamed };
        let mut copy = subject.clone();
        copy.state = copy.state.evolve(&aggregate::Event::Release(arrived), copy.now);
        copy.tick(seen);
        let column = copy.release().phase().to_string();
        let override_reason = Some("ship it".to_owned());
        let command = Command::Trigger {
            stage,
            override_reason,
        };
        let word = command_word(&aggregate::Command::Release(command.clone()));
        let outcome = copy.command(seen, command);
        seen.tried(&word, &column, outcome);
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
