//! Tables of the document that follow from catalogue, holds, gates and effects.

use super::common::{draft, start};
use super::lab::Seen;
use super::scenarios::full_plan;
use super::source::{self, meaning};
use delivr_domain::board::{Lane, PlannedTask, Task, TaskState};
use delivr_domain::effect::OperationKind;
use delivr_domain::key::{Generation, TargetKey, TaskKey, TaskKind};
use delivr_domain::plan::{Deadlines, GatedStage, Plan, StoreSettings};
use delivr_domain::release::command::PAST_TOLERANCE_SECONDS;
use delivr_domain::release::gate::FACT_LIFETIME_SECONDS;
use delivr_domain::release::hold::{Hold, Scope, blocks, is_stopped};
use delivr_domain::release::lane::LaneStop;
use delivr_domain::release::remind::{
    SLOT_REMINDER_MINUTES, WAIT_CRITICAL_DAYS, WAIT_GIVEN_UP_DAYS, WAIT_REMINDER_HOURS,
};
use delivr_domain::release::state::{AutomationWanted, BuildsWanted, Release};
use delivr_domain::release::{catalogue, work};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

/// A Markdown table.
pub(crate) struct Table {
    text: String,
    columns: usize,
}

impl Table {
    pub(crate) fn new(heads: &[&str]) -> Self {
        let mut text = format!("| {} |\n|", heads.join(" | "));
        text.push_str(&"---|".repeat(heads.len()));
        text.push('\n');
        let columns = heads.len();
        Self { text, columns }
    }
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().map(|cell| cell.replace('|', "\\|")).collect();
        assert_eq!(cells.len(), self.columns, "{cells:?}");
        self.text.push_str(&format!("| {} |\n", cells.join(" | ")));
    }
    pub(crate) fn text(self) -> String {
        self.text
    }
}

pub(crate) fn code(of: impl Display) -> String {
    format!("`{of}`")
}

pub(crate) fn codes<T: Display>(of: impl IntoIterator<Item = T>) -> String {
    of.into_iter().map(code).collect::<Vec<_>>().join(", ")
}

fn full_release() -> Release {
    Release::born(draft(full_plan()), start())
}

/// What each stage consists of when everything is on.
pub(crate) fn tasks_of_stages(seen: &Seen) -> String {
    let release = full_release();
    let mut text = String::from(
        "\n## Tasks of each stage\n\n\
         For a plan with everything on and all four kinds of targets.\n\
         A task with targets exists once for each of them, and its targets run side by side.\n\
         What the plan does not ask for, or has no integration for, is not planned.\n",
    );
    let cycle = |number| catalogue::cycle(&release, number, BuildsWanted::Build, AutomationWanted::Run);
    let mut cycles = cycle(1);
    let first: BTreeSet<TaskKind> = cycles.iter().map(|task| task.key.kind).collect();
    cycles = cycle(2);
    let later: BTreeSet<TaskKind> = cycles
        .iter()
        .map(|task| task.key.kind)
        .filter(|kind| !first.contains(kind))
        .collect();
    for (title, tasks) in [
        ("KICKOFF", catalogue::kickoff(&release)),
        ("REGRESSION, each cycle", cycles),
        ("PRE_RELEASE", catalogue::pre_release(&release)),
        ("DISTRIBUTION", catalogue::distribution(&release)),
    ] {
        text.push_str(&format!("\n### {title}\n\n"));
        text.push_str(&stage_table(seen, &tasks));
        if title.starts_with("REGRESSION") {
            text.push_str(&format!("\nFrom the second cycle on only: {}.\n", codes(&later)));
        }
    }
    text.push_str("\n### Clean-up after an archive, as asked for with it\n\n");
    let clean = |kind| PlannedTask {
        key: TaskKey::once(kind),
        lane: Lane::CleanUp,
        after: BTreeSet::new(),
        skipped: None,
    };
    text.push_str(&stage_table(
        seen,
        &[
            clean(TaskKind::CleanupCloseTickets),
            clean(TaskKind::CleanupDeleteBranch),
        ],
    ));
    text.push_str(
        "\n### Steps\n\n\
         A `RESOLVE` reads one fact and fixes it as an event, a `PERFORM` writes once at a vendor, a `WATCH` waits for something to end there.\n\
         Lists of steps are frozen when the task starts; several lists mean that the plan or the target decides.\n\
         A `PERFORM_RUN` right after a `RESOLVE_HEAD` starts a run of that head, and each new try of it begins with the read.\n\n",
    );
    let mut table = Table::new(&["Task", "Steps, in order"]);
    for (kind, lists) in &seen.steps {
        let said: BTreeSet<String> = lists
            .iter()
            .map(|steps| match steps.as_slice() {
                [] => "none: a person or a submission does it".to_owned(),
                [list] if list.contains(' ') => list.replacen("PERFORM", "`PERFORM`", 1),
                steps => brief(steps),
            })
            .collect();
        table.row([code(kind), said.into_iter().collect::<Vec<_>>().join("; or ")]);
    }
    text.push_str(&table.text());
    text
}

/// Steps with repeats counted: a list of tickets is one write per ticket.
fn brief(steps: &[String]) -> String {
    let mut runs: Vec<(String, usize)> = Vec::new();
    for step in steps {
        match runs.last_mut() {
            Some((last, times)) if last == step => *times += 1,
            _ => runs.push((step.clone(), 1)),
        }
    }
    runs.iter()
        .map(|(step, times)| {
            if *times == 1 {
                code(step)
            } else {
                format!("{times} × {}", code(step))
            }
        })
        .collect::<Vec<_>>()
        .join(", ")
}

fn stage_table(seen: &Seen, tasks: &[PlannedTask]) -> String {
    let mut order: Vec<TaskKind> = Vec::new();
    let mut targets: BTreeMap<TaskKind, Vec<TargetKey>> = BTreeMap::new();
    let mut after: BTreeMap<TaskKind, BTreeSet<String>> = BTreeMap::new();
    for task in tasks {
        let kind = task.key.kind;
        if !order.contains(&kind) {
            order.push(kind);
        }
        targets.entry(kind).or_default().extend(task.key.target);
        for first in &task.after {
            let scope = match (first.target, task.key.target) {
                (Some(one), Some(other)) if one == other => " of its target",
                (Some(_), _) => " of every target",
                (None, _) => "",
            };
            after
                .entry(kind)
                .or_default()
                .insert(format!("{}{scope}", code(first.kind)));
        }
    }
    let mut table = Table::new(&["Task", "What it does", "Targets", "After", "Writes"]);
    for kind in order {
        let targets = targets.remove(&kind).unwrap_or_default();
        let fan = match targets.len() {
            0 => "once".to_owned(),
            many if many == TargetKey::ALL.len() => "each".to_owned(),
            _ => codes(&targets),
        };
        let first: Vec<String> = after.remove(&kind).unwrap_or_default().into_iter().collect();
        let writes = seen
            .operations
            .iter()
            .filter(|(_, kinds)| kinds.contains(&kind))
            .map(|(operation, _)| operation);
        let doc = meaning(source::KEY, "TaskKind", kind.word());
        table.row([code(kind), doc, fan, first.join(", "), codes(writes)]);
    }
    table.text()
}

fn sample(kind: TaskKind, lane: Lane, after: BTreeSet<TaskKey>, target: Option<TargetKey>) -> Task {
    let mut key = TaskKey::once(kind);
    key.target = target;
    Task {
        key,
        lane,
        state: TaskState::Pending,
        generation: Generation::default(),
        steps: Vec::new(),
        next_step: 0,
        done: Vec::new(),
        after,
        parked: false,
        skip_after_look_up: None,
        after_look_up: None,
        started_at: None,
        ended_at: None,
    }
}

fn board_of(release: &Release) -> Vec<Task> {
    let mut all = catalogue::kickoff(release);
    all.extend(catalogue::cycle(
        release,
        2,
        BuildsWanted::Build,
        AutomationWanted::Run,
    ));
    all.extend(catalogue::pre_release(release));
    all.extend(catalogue::distribution(release));
    all.iter()
        .map(|plan| sample(plan.key.kind, plan.lane, plan.after.clone(), plan.key.target))
        .collect()
}

/// Holds, how far they reach and what they stop.
pub(crate) fn holds(seen: &Seen) -> String {
    let release = full_release();
    let tasks = board_of(&release);
    let plan = release.plan();
    let text = || "because".to_owned();
    let scm = plan.scm.integration;
    let tag = TaskKey::once(TaskKind::CreateReleaseTag);
    let blocked = |scope| Hold::Blocked {
        by: "pat".to_owned(),
        reason: text(),
        scope,
    };
    let mut samples = vec![Hold::UserPaused {
        by: "pat".to_owned(),
        note: None,
    }];
    samples.extend(Scope::ALL.iter().copied().map(blocked));
    samples.push(Hold::TaskFailed { task: tag });
    samples.push(Hold::IntegrationInvalid { integration: scm });
    samples.push(Hold::AwaitingApproval {
        stage: GatedStage::PreRelease,
    });
    samples.push(Hold::AwaitingCycle);
    samples.push(Hold::Drift {
        target: Some(TargetKey::AndroidPlayStore),
        sentence: text(),
    });
    samples.push(Hold::InStore {
        target: TargetKey::AndroidPlayStore,
        stop: LaneStop::RolloutHalted,
        sentence: text(),
    });
    samples.push(Hold::Quarantine { reason: text() });
    for member in source::members(source::HOLD, "Hold") {
        let shown = samples.iter().any(|hold| tag_of(hold) == member.tag());
        assert!(shown, "{} needs a sample here", member.tag());
    }
    let mut table = Table::new(&[
        "Hold",
        "Meaning",
        "Tasks that do not start",
        "Stages and cycles that do not start",
    ]);
    for hold in &samples {
        let scope = match hold {
            Hold::Blocked { scope, .. } => format!(" {}", code(scope)),
            _ => String::new(),
        };
        let doc = meaning(source::HOLD, "Hold", tag_of(hold));
        let reached: Vec<&Task> = tasks.iter().filter(|task| blocks(plan, hold, task)).collect();
        table.row([
            match hold {
                Hold::InStore { .. } => codes(LaneStop::ALL),
                _ => format!("{}{scope}", code(hold.word())),
            },
            doc,
            reach(plan, hold, &reached, &tasks),
            stops(&release, hold),
        ]);
    }
    let mut page = String::from(
        "\n## Holds\n\n\
         A hold keeps tasks from starting, as far as it reaches.\n\
         Writes under way finish and record their result; a write that has been claimed but not sent is parked.\n\
         No hold keeps anybody from archiving, pausing, halting or rolling back.\n\
         `TASK_FAILED`, `INTEGRATION_INVALID`, `AWAITING_APPROVAL`, `AWAITING_CYCLE` and what stands still in a store follow \
         from the state; the others are placed.\n\
         A release's holds reach its submissions and rollouts as far as they reach the task that ships the target.\n\
         `DRIFT` is placed when a write whose outcome was once unknown is looked for once more, long after, and stands twice.\n\
         It is placed as well when the store has a rollout where nobody decided it, and lifted by the next decision on that \
         rollout, when the store is put back, or when a person clears it: what the store has counts as decided then.\n\
         Nobody places `QUARANTINE` yet.\n\n",
    );
    page.push_str(&table.text());
    let never: Vec<TaskKind> = TaskKind::ALL
        .iter()
        .copied()
        .filter(|kind| {
            !blocks(
                plan,
                &samples[0],
                &sample(*kind, Lane::CleanUp, BTreeSet::new(), None),
            )
        })
        .collect();
    page.push_str(&format!("\nNo hold ever reaches {}.\n", codes(&never)));
    let placed: Vec<&str> = ["HOLD_PLACED", "HOLD_LIFTED", "DRIFT_CLEARED"]
        .into_iter()
        .filter(|word| seen.events.contains(word))
        .collect();
    page.push_str(&format!("Events: {}.\n", codes(&placed)));
    page
}

/// The variant of a hold; what stands still in a store has a word for each way of it.
const fn tag_of(hold: &Hold) -> &'static str {
    match hold {
        Hold::InStore { .. } => "IN_STORE",
        other => other.word(),
    }
}

fn reach(plan: &Plan, hold: &Hold, reached: &[&Task], tasks: &[Task]) -> String {
    if reached.is_empty() {
        return "none".to_owned();
    }
    if reached.len() == tasks.len() {
        return "all".to_owned();
    }
    for lane in Lane::ALL {
        let of_lane: Vec<&Task> = tasks.iter().filter(|task| task.lane == *lane).collect();
        if of_lane == reached {
            return format!("those of {}", code(lane));
        }
    }
    match hold {
        Hold::TaskFailed { task } => {
            assert!(reached.iter().all(|it| it.after.contains(task)));
            "those that come directly after the failed one".to_owned()
        }
        Hold::IntegrationInvalid { integration } => {
            assert!(
                reached
                    .iter()
                    .all(|it| work::integration_of(plan, &it.key) == Some(*integration))
            );
            "those that call the integration".to_owned()
        }
        Hold::Drift { target, .. } => {
            let in_lane = |it: &&Task| it.key.target.is_none() || it.key.target == *target;
            assert!(reached.iter().all(in_lane));
            "those of its target, and those without target".to_owned()
        }
        _ => panic!("{} reaches a set of tasks without a name", hold.word()),
    }
}

fn stops(release: &Release, hold: &Hold) -> String {
    let mut held = release.clone();
    held.holds.insert(hold.clone());
    let staging = is_stopped(&held, Scope::Staging);
    let production = is_stopped(&held, Scope::Production);
    match (staging, production) {
        (true, true) => "all",
        (true, false) => "all before distribution",
        (false, true) => "distribution",
        (false, false) => "none",
    }
    .to_owned()
}

/// Gates and what closes them.
pub(crate) fn gates(seen: &Seen) -> String {
    let mut page = String::from(
        "\n## Gates\n\n\
         A stage starts by itself when the plan says so and its gate is open; else a person triggers it.\n\
         Without a quorum in the plan the trigger is the approval; with one, each member counts once, with the latest word, and only for the commit at the gate.\n",
    );
    page.push_str(&format!(
        "A gate reads facts that are at most {FACT_LIFETIME_SECONDS} seconds old; what could not be read closes it.\n\
         Facts: {}.\n\n",
        codes(&seen.probes)
    ));
    let mut table = Table::new(&["Blocker", "Gates", "Cleared by", "For example"]);
    for (word, (cleared_by, stages, example)) in &seen.blockers {
        table.row([code(word), codes(stages), code(cleared_by), example.clone()]);
    }
    page.push_str(&table.text());
    page.push_str("\n`TIME` clears by itself, `VENDOR` when the vendor answers again; an ADMIN can pass any of them with a reason.\n");
    page
}

/// What the machines ask of the world.
pub(crate) fn effects(seen: &Seen) -> String {
    let mut page = String::from(
        "\n## Effects: what the machines ask of the world\n\n\
         Each is one row of the queue, under one key; doing it again finds what was done before.\n\n",
    );
    let mut table = Table::new(&["Effect", "Meaning"]);
    for effect in source::members(source::EFFECT, "Effect") {
        table.row([code(effect.tag()), effect.doc]);
    }
    page.push_str(&table.text());
    page.push_str("\n### Writes\n\n");
    let mut writes = Table::new(&["Operation", "Asked by", "What is there afterwards"]);
    for kind in OperationKind::ALL {
        let asked = seen.operations.get(kind);
        let doc = meaning(source::EFFECT, "OperationKind", kind.word());
        let doc = linked(&doc);
        writes.row([
            code(kind),
            match asked {
                Some(kinds) => codes(kinds),
                None if *kind == OperationKind::PostMessage => "every `MESSAGE`".to_owned(),
                None => String::new(),
            },
            doc,
        ]);
    }
    page.push_str(&writes.text());
    page.push_str("\n### Reads and waits\n\n");
    let mut reads = Table::new(&["Row", "What", "Asked by", "Meaning"]);
    for (word, kinds) in &seen.readings {
        let doc = meaning(source::EFFECT, "Reading", word);
        reads.row([code("RESOLVE"), code(word), codes(kinds), doc]);
    }
    for (word, kinds) in &seen.watches {
        let doc = meaning(source::EFFECT, "Watched", word);
        reads.row([code("WATCH"), code(word), codes(kinds), doc]);
    }
    for fact in &seen.probes {
        let doc = meaning(source::EFFECT, "FactKind", fact.word());
        reads.row([
            code("PROBE"),
            code(fact),
            "a gate that opens by itself".to_owned(),
            doc,
        ]);
    }
    page.push_str(&reads.text());
    page.push_str(
        "\n### How earlier work is recognised\n\n\
         Each provider declares one of these for each write; the conformance suite of its port holds it to that.\n\n",
    );
    let mut recognised = Table::new(&["Recognition", "Meaning"]);
    for member in source::members(source::VENDOR, "Recognition") {
        recognised.row([code(member.name), member.doc]);
    }
    page.push_str(&recognised.text());
    page.push_str("\n### Between machines\n\n");
    let mut tells = Table::new(&["From", "Report"]);
    for tell in &seen.tells {
        let (from, report) = tell.split_once(": ").expect("a pair");
        tells.row([code(from), code(report)]);
    }
    page.push_str(&tells.text());
    page
}

/// "See [`ScmWrite::CreateBranch`]." becomes what that variant says.
fn linked(doc: &str) -> String {
    let Some(path) = doc
        .strip_prefix("See [`")
        .and_then(|rest| rest.strip_suffix("`]."))
    else {
        return doc.to_owned();
    };
    let (of, variant) = path.split_once("::").expect("a path");
    let all = source::members(source::EFFECT, of);
    let found = all.into_iter().find(|member| member.name == variant);
    found.unwrap_or_else(|| panic!("no {path}")).doc
}

/// What people are told.
pub(crate) fn messages(seen: &Seen) -> String {
    let mut page = String::from(
        "\n## Messages\n\n\
         Sent once per event, to the channels the chat integration has for the topic, as far as the plan asks for the topic.\n\n",
    );
    let mut table = Table::new(&["Message", "Topics", "Told of the event"]);
    for (kind, (topics, events)) in &seen.messages {
        table.row([code(kind), codes(topics), codes(events)]);
    }
    page.push_str(&table.text());
    page
}

/// Limits and default waits.
pub(crate) fn waits() -> String {
    let deadlines = Deadlines::default();
    let store = StoreSettings::default();
    let mut page = String::from("\n## Dates, waits and their defaults\n\n");
    let mut table = Table::new(&["What", "How long", "Where it is set"]);
    let minutes = |count: u32| format!("{count} minutes");
    for (what, long, place) in [
        (
            "A pipeline run may take",
            minutes(deadlines.pipeline_minutes),
            "plan",
        ),
        (
            "Test automation may take",
            minutes(deadlines.automation_minutes),
            "plan",
        ),
        ("A store may take", minutes(deadlines.store_minutes), "plan"),
        (
            "Between two looks at a run",
            format!("{} seconds", deadlines.poll_seconds),
            "plan",
        ),
        (
            "Between two looks at a store",
            format!("{} seconds", store.poll_seconds),
            "plan",
        ),
        (
            "People are reminded before a slot",
            format!("{SLOT_REMINDER_MINUTES} minutes"),
            "fixed",
        ),
        (
            "People are reminded of what waits for them, on working days, each",
            format!("{WAIT_REMINDER_HOURS} hours"),
            "fixed",
        ),
        (
            "Such a reminder is critical when the wait has lasted",
            format!("{WAIT_CRITICAL_DAYS} days"),
            "fixed",
        ),
        (
            "Nobody is reminded any more after",
            format!("{WAIT_GIVEN_UP_DAYS} days"),
            "fixed",
        ),
        (
            "A date may lie in the past and count as now",
            format!("{PAST_TOLERANCE_SECONDS} seconds"),
            "fixed",
        ),
        (
            "A gate's fact is fresh",
            format!("{FACT_LIFETIME_SECONDS} seconds"),
            "fixed",
        ),
    ] {
        table.row([what.to_owned(), long, place.to_owned()]);
    }
    page.push_str(&table.text());
    let steps: Vec<String> = store
        .steps
        .iter()
        .map(|bps| format!("{}.{:02} %", bps / 100, bps % 100))
        .collect();
    page.push_str(&format!(
        "\nDefault steps of a rollout in Google Play: {}.\nA wait that passes its end fails its task with `wait_timed_out`; trying again goes on waiting.\n",
        steps.join(", ")
    ));
    page
}
