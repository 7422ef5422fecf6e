//! What the simulation found, or what reading for it showed, one by one and without dice.

use crate::check::at_once;
use crate::plan::{draft, furnish, integration, tenant, vault};
use crate::shared::{Broken, Shared};
use crate::time::epoch;
use crate::time::{Dice, Thrown, seconds};
use async_trait::async_trait;
use delivr_app::apply::{self, Delivery, Wish};
use delivr_app::{App, connections};
use delivr_domain::aggregate::{Aggregate, Command as Any};
use delivr_domain::board::{
    Begin, Lane, PlannedTask, Reaction, Step, StepKind, StepResult, TaskEvent, TaskState,
};
use delivr_domain::effect::{Effect, FactKind, OperationKind, Reference, TrackerWrite};
use delivr_domain::ids::{InstallId, RolloutId};
use delivr_domain::key::{AggregateId, EffectId, EffectKey, TargetKey, TaskKey, TaskKind};
use delivr_domain::plan::{BuildMode, Purpose, TrackerPlan};
use delivr_domain::ports::clock::Clock as _;
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::provider::{Connection, Descriptor, Port, Registry};
use delivr_domain::ports::store::{ClaimRequest, EffectRow, Queue as _, Rooms, RowEnd, RowState, Store as _};
use delivr_domain::ports::vendor::{Declared, Lookup, Recognition, Tracker, Verification, Writes};
use delivr_domain::release::command::Command;
use delivr_domain::release::gate::Context;
use delivr_domain::release::state::{Draft, Release, Stage};
use delivr_domain::release::{Event, catalogue, report, work};
use delivr_domain::report::{ChildState, Held, Performed, Report, RunProduct};
use delivr_domain::time::Span;
use delivr_testkit::clock::FakeClock;
use delivr_testkit::memory::MemoryStore;
use delivr_worker::{Worker, WorkerSettings};
use futures_util::FutureExt as _;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Something that happens once, while a vendor is asked.
type Meanwhile = Arc<Mutex<Option<Box<dyn FnOnce() + Send>>>>;

/// A tracker that takes every ticket and never says so.
struct Mute {
    sent: Arc<Mutex<u32>>,
    meanwhile: Meanwhile,
}

#[async_trait]
impl Writes<TrackerWrite> for Mute {
    fn declared(&self, _operation: OperationKind) -> Declared {
        Declared::new(Recognition::ByMarker {
            visible_after: seconds(30),
        })
    }
    async fn find(&self, _key: &EffectKey, _write: &TrackerWrite) -> Result<Lookup, ProviderError> {
        let happens = self.meanwhile.lock().unwrap().take();
        if let Some(happens) = happens {
            happens();
        }
        Ok(Lookup::Found(Vec::new()))
    }
    async fn create(&self, _key: &EffectKey, _write: &TrackerWrite) -> Result<Reference, ProviderError> {
        *self.sent.lock().unwrap() += 1;
        Err(ProviderError::new(
            "mute",
            "create",
            ProviderErrorKind::Unavailable,
            "gone quiet",
        ))
    }
}

#[async_trait]
impl Tracker for Mute {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        unreachable!("nobody asks")
    }
    async fn approvals(&self, _tickets: &[String]) -> Result<Vec<(String, bool)>, ProviderError> {
        unreachable!("nobody asks")
    }
}

/// A store with one release, a worker beside it, and a clock to turn.
struct Bench {
    clock: Arc<FakeClock>,
    store: MemoryStore,
    worker: Worker,
    release: AggregateId,
    sent: Arc<Mutex<u32>>,
    meanwhile: Meanwhile,
}

fn sketch() -> Draft {
    let mut draft = draft(0, InstallId::derived(&[b"memory"]), &mut Dice::new(1));
    draft.kickoff_at = epoch() + Span::hours(2);
    draft.kickoff_reminder_at = Some(epoch() + Span::hours(1));
    draft.slots.clear();
    draft.plan.chat = None;
    draft.plan.testing = None;
    draft.plan.tracker = Some(TrackerPlan {
        integration: integration("tracker"),
        gate_on_approval: false,
        close_tickets: false,
    });
    draft
}

impl Bench {
    fn new(draft: Draft) -> Self {
        let clock = Arc::new(FakeClock::at(epoch()));
        let store = MemoryStore::new(clock.clone());
        let shared = Shared::new(1, Broken::Nothing);
        let vault = vault();
        at_once(furnish(&store, &shared, &vault));
        let sent = Arc::new(Mutex::new(0));
        let counted = sent.clone();
        let meanwhile = Meanwhile::default();
        let happens = meanwhile.clone();
        let registry = Registry::new([Descriptor {
            key: "sim",
            port: Port::ProjectManagement,
            display_name: "Mute",
            config_schema: serde_json::json!({}),
            credentials_schema: serde_json::json!({}),
            capabilities: serde_json::json!({}),
            connect: Arc::new(move |_config, _credentials| {
                Ok(Connection::Tracker(Arc::new(Mute {
                    sent: counted.clone(),
                    meanwhile: happens.clone(),
                })))
            }),
            webhook: None,
        }])
        .unwrap();
        let made = at_once(apply::create(&store, clock.as_ref(), draft, "pilot", None)).unwrap();
        let app = App {
            store: Arc::new(store.clone()),
            clock: clock.clone(),
            entropy: Arc::new(Thrown(shared.dice.clone())),
            registry: Arc::new(registry),
            vault,
            connections: connections::cache(),
        };
        Self {
            clock,
            store,
            worker: Worker::new(app, WorkerSettings::default()),
            release: made.id(),
            sent,
            meanwhile,
        }
    }
    fn state(&self) -> Box<Release> {
        match crate::check::state_of(&self.store, self.release) {
            Some(Aggregate::Release(release)) => release,
            _ => panic!("a release is a release"),
        }
    }
    fn command(&self, command: Command) {
        let wish = Wish {
            tenant: tenant(),
            command: &Any::Release(command),
            actor: "pat",
            expected: None,
            remember: None,
        };
        at_once(apply::command(
            &self.store,
            self.clock.as_ref(),
            self.release,
            &wish,
        ))
        .unwrap();
    }
    fn tick(&self) {
        let tick = Delivery {
            to: self.release,
            report: &Report::Tick,
            claim: None,
            fact: None,
            tenant: None,
        };
        at_once(apply::report(&self.store, self.clock.as_ref(), &tick)).unwrap();
    }
    fn ticket(&self) -> EffectRow {
        let rows = at_once(self.store.rows(self.release, true)).unwrap();
        let writes = |row: &EffectRow| matches!(row.effect, Effect::Perform { .. });
        rows.into_iter().find(writes).expect("a ticket's row")
    }
}

#[test]
fn a_second_tick_does_not_take_the_next_date_for_reached() {
    let bench = Bench::new(sketch());
    bench.clock.advance(seconds(3_600));
    // Two workers saw that the reminder is due.
    bench.tick();
    bench.tick();
    assert_eq!(bench.state().stage, Stage::NotStarted);
    assert_eq!(bench.state().reminders.len(), 1);
    bench.clock.advance(seconds(3_600));
    bench.tick();
    assert_eq!(bench.state().stage, Stage::Kickoff);
}

#[test]
fn a_stop_is_heard_while_there_is_much_to_do() {
    let mut draft = sketch();
    draft.kickoff_at = epoch();
    draft.kickoff_reminder_at = None;
    let bench = Bench::new(draft);
    let mut worker = Box::pin(bench.worker.run(std::future::ready(())));
    let ended = (0..1_000).any(|_| (&mut worker).now_or_never().is_some());
    assert!(ended, "it goes on though it was asked to stop");
}

#[test]
fn a_persons_retry_waits_out_the_quiet_time_of_the_last_unanswered_send() {
    let bench = Bench::new(sketch());
    bench.command(Command::Start);
    let failed = |bench: &Bench| {
        bench
            .state()
            .failures()
            .any(|(task, _)| task.key.kind == TaskKind::CreateProjectManagementTicket)
    };
    let mut last_send = bench.clock.now();
    for _ in 0..1_000 {
        let before = *bench.sent.lock().unwrap();
        at_once(bench.worker.run_due_once()).unwrap();
        if *bench.sent.lock().unwrap() > before {
            last_send = bench.clock.now();
        }
        if failed(&bench) {
            break;
        }
        bench.clock.advance(seconds(1));
    }
    assert!(failed(&bench), "it gives up");
    assert!(
        bench
            .ticket()
            .unknown_since
            .is_some_and(|since| since >= last_send),
        "the end of the last send stands on the row"
    );
    let tasks: Vec<_> = bench.state().failures().map(|(task, _)| task.key).collect();
    for task in tasks {
        bench.command(Command::RetryTask {
            task,
            force: delivr_domain::release::command::Force::No,
        });
    }
    let before = *bench.sent.lock().unwrap();
    at_once(bench.worker.run_due_once()).unwrap();
    assert_eq!(
        *bench.sent.lock().unwrap(),
        before,
        "nothing is sent before the quiet time is over"
    );
}

#[test]
fn what_a_person_stops_during_the_look_up_is_not_sent() {
    let bench = Bench::new(sketch());
    bench.command(Command::Start);
    let (store, clock, release) = (bench.store.clone(), bench.clock.clone(), bench.release);
    *bench.meanwhile.lock().unwrap() = Some(Box::new(move || {
        let wish = Wish {
            tenant: tenant(),
            command: &Any::Release(Command::Pause { note: None }),
            actor: "pat",
            expected: None,
            remember: None,
        };
        at_once(apply::command(&store, clock.as_ref(), release, &wish)).unwrap();
    }));
    at_once(bench.worker.run_due_once()).unwrap();
    assert!(bench.meanwhile.lock().unwrap().is_none(), "the vendor was asked");
    assert_eq!(
        *bench.sent.lock().unwrap(),
        0,
        "and nothing was sent after the pause"
    );
    assert_eq!(bench.ticket().state, RowState::Parked);
}

#[test]
fn a_row_that_is_parked_after_its_task_was_cancelled_ends() {
    let bench = Bench::new(sketch());
    bench.command(Command::Start);
    let request = ClaimRequest {
        worker: "w".to_owned(),
        limit: 10,
        lease: seconds(60),
        margin: seconds(2),
        call_timeout: seconds(20),
        started: bench.clock.monotonic(),
        rooms: Rooms::default(),
    };
    let claimed = at_once(bench.store.claim(&request)).unwrap();
    let row = bench.ticket();
    let one = claimed
        .iter()
        .find(|one| one.row.id == row.id)
        .expect("it is claimed");
    bench.command(Command::Archive {
        reason: "not now".to_owned(),
        close_tickets: false,
        delete_branch: false,
    });
    let report = Report::Performed {
        key: *row.effect.key().unwrap(),
        performed: Performed::Parked,
    };
    let parked = Delivery {
        to: bench.release,
        report: &report,
        claim: Some((one.claim.as_ref().unwrap(), RowEnd::Parked)),
        fact: None,
        tenant: None,
    };
    at_once(apply::report(&bench.store, bench.clock.as_ref(), &parked)).unwrap();
    assert_eq!(bench.ticket().state, RowState::Dead);
}

#[test]
fn a_probe_that_no_gate_waits_for_ends_even_when_its_vendor_is_gone() {
    let bench = Bench::new(sketch());
    let probe = Effect::Probe {
        owner: bench.release,
        integration: integration("git"),
        fact: FactKind::BranchHead,
        subject: vec!["main".to_owned()],
    };
    let mut unit = at_once(bench.store.begin()).unwrap();
    at_once(unit.enqueue(tenant(), &probe, Duration::ZERO, seconds(86_400))).unwrap();
    at_once(unit.commit()).unwrap();
    at_once(bench.worker.run_due_once()).unwrap();
    assert!(
        at_once(bench.store.rows(bench.release, false))
            .unwrap()
            .is_empty()
    );
}

#[test]
fn old_news_of_a_child_does_not_replace_new_news() {
    let target = TargetKey::AndroidPlayStore;
    let key = catalogue::ship_task(target);
    let planned = PlannedTask {
        key,
        lane: Lane::Distribution,
        after: std::collections::BTreeSet::new(),
        skipped: None,
    };
    let task = |event| Event::Task { event };
    let mut release =
        Release::born(sketch(), epoch()).evolve(&task(TaskEvent::Planned { tasks: vec![planned] }), epoch());
    let child = work::submission_aggregate(&release, release.task(&key).unwrap());
    let started = TaskEvent::Started {
        task: key,
        steps: Vec::new(),
        begin: Begin::Child { child },
    };
    release = release.evolve(&task(started), epoch());
    let submission = work::submission_id(&release, release.task(&key).unwrap());
    let news = |rollout: Option<RolloutId>, status: &str, exposure: u16, after: i64| Report::ChildChanged {
        target,
        submission,
        rollout,
        state: ChildState {
            status: status.to_owned(),
            exposure,
            live: false,
            blocker: None,
            store_words: None,
            at: epoch() + Span::seconds(after),
            asked: false,
            held: Held::default(),
            drift: None,
        },
    };
    let facts = BTreeMap::new();
    let cx = Context {
        now: epoch(),
        actor: "system",
        facts: &facts,
    };
    let rollout = Some(RolloutId::derived(&[b"r"]));
    for (report, changes) in [
        (news(None, "SUBMITTED", 0, 10), true),
        // By a worker whose clock is behind, or told late.
        (news(None, "PREPARING", 0, 5), false),
        // The rollout's first word counts, whatever its clock says.
        (news(rollout, "LIVE", 500, 8), true),
        // A leftover of the submission does not take the rollout's place.
        (news(None, "LIVE", 0, 60), false),
        (news(rollout, "LIVE", 5_000, 30), true),
        (news(rollout, "LIVE", 500, 8), false),
        (news(rollout, "LIVE", 5_000, 30), false),
    ] {
        let events = report::decide_report(&release, &report, &cx);
        assert_eq!(!events.is_empty(), changes, "{report:?}");
        for event in &events {
            release = release.evolve(event, epoch());
        }
    }
    assert_eq!(release.shipments[&target].state.exposure, 5_000);
}

/// A release in pre-release whose store build lies parked at a step, and whose builds are then made by people.
fn parked_at(step: u16) -> (TaskKey, delivr_domain::aggregate::Stepped) {
    let target = TargetKey::AndroidPlayStore;
    let key = TaskKey::once(TaskKind::CreateAabBuild).target(target);
    let mut draft = sketch();
    let mut other = draft.plan.targets.values().next().unwrap().clone();
    other.builds = BuildMode::Pipeline;
    other.store = Some(integration("play"));
    let pipeline = other.pipelines[&Purpose::RegressionBuild].clone();
    other.pipelines.insert(Purpose::AabBuild, pipeline);
    draft.plan.targets = BTreeMap::from([(target, other)]);
    let kinds = [StepKind::PerformRun, StepKind::Watch, StepKind::ResolveStoreBuild];
    let made = StepResult::Made {
        reference: Reference::id("run-1"),
    };
    let ran = StepResult::Ran {
        product: RunProduct::default(),
    };
    let mut events = vec![
        TaskEvent::Planned {
            tasks: vec![PlannedTask {
                key,
                lane: Lane::PreRelease,
                after: std::collections::BTreeSet::new(),
                skipped: None,
            }],
        },
        TaskEvent::Started {
            task: key,
            steps: kinds.into_iter().map(Step::new).collect(),
            begin: Begin::Step,
        },
    ];
    for (number, result) in (0..step).zip([made, ran]) {
        events.push(TaskEvent::StepDone {
            task: key,
            step: number,
            result,
            wait: None,
        });
    }
    events.push(TaskEvent::Parked { task: key });
    let stage = Event::StageEntered {
        stage: Stage::PreRelease,
    };
    let mode = Event::BuildModeChanged {
        target,
        mode: BuildMode::Manual,
    };
    let all = std::iter::once(stage)
        .chain(events.into_iter().map(|event| Event::Task { event }))
        .chain([mode]);
    let release = all.fold(Release::born(draft, epoch()), |it, event| {
        it.evolve(&event, epoch())
    });
    let facts = BTreeMap::new();
    let cx = Context {
        now: epoch(),
        actor: "system",
        facts: &facts,
    };
    (key, Aggregate::Release(Box::new(release)).run(Vec::new(), &cx))
}

#[test]
fn a_parked_row_ends_when_a_person_takes_its_build_over() {
    let (key, stepped) = parked_at(0);
    let task = stepped.state.owner().board().find(&key).unwrap();
    assert!(
        matches!(task.state, TaskState::AwaitingManual { .. }),
        "{:?}",
        task.state
    );
    let row = EffectId::derived(
        "perform",
        &[stepped.state.owner().effect_key(task, 0).to_string().as_bytes()],
    );
    assert!(stepped.reactions.contains(&Reaction::End(row)));
}

#[test]
fn a_build_whose_run_was_accepted_goes_on_with_it_wherever_later_builds_come_from() {
    let (key, stepped) = parked_at(2);
    let task = stepped.state.owner().board().find(&key).unwrap();
    assert_eq!(task.state, TaskState::Running { step: 2 });
    let rows = stepped.state.outstanding();
    let resolves = |effect: &Effect| matches!(effect, Effect::Resolve { key: of, .. } if of.task == key);
    assert!(rows.iter().any(resolves));
}

#[test]
fn a_step_that_can_no_longer_be_formed_fails_and_says_so() {
    let key = TaskKey::once(TaskKind::AutomationRuns)
        .target(TargetKey::AndroidPlayStore)
        .cycle(1);
    let mut draft = sketch();
    draft.plan.testing = Some(delivr_domain::plan::TestingPlan {
        integration: integration("tests"),
        pass_threshold: 90,
    });
    let events = [
        TaskEvent::Planned {
            tasks: vec![PlannedTask {
                key,
                lane: Lane::Regression,
                after: std::collections::BTreeSet::new(),
                skipped: None,
            }],
        },
        TaskEvent::Started {
            task: key,
            steps: vec![Step::new(StepKind::Watch), Step::new(StepKind::ResolveTotals)],
            begin: Begin::Step,
        },
        // The totals' test run was never made: a person left it out.
        TaskEvent::StepDone {
            task: key,
            step: 0,
            result: StepResult::Ran {
                product: RunProduct::default(),
            },
            wait: None,
        },
    ];
    let release = events
        .into_iter()
        .fold(Release::born(draft, epoch()), |it, event| {
            it.evolve(&Event::Task { event }, epoch())
        });
    let facts = BTreeMap::new();
    let cx = Context {
        now: epoch(),
        actor: "system",
        facts: &facts,
    };
    let stepped = Aggregate::Release(Box::new(release)).run(Vec::new(), &cx);
    let failed = stepped.state.owner().board().find(&key).unwrap().failure();
    assert!(failed.is_some_and(|(cause, _)| cause.code == "step_not_formed"));
}

#[test]
fn news_of_another_history_under_the_same_number_has_a_key_of_its_own() {
    let message = |title: &str| Effect::Message {
        from: AggregateId {
            kind: delivr_domain::key::AggregateKind::Release,
            id: uuid::Uuid::nil(),
        },
        // After a restore, versions are given once more.
        ordinal: (7, 0),
        integration: integration("chat"),
        topic: delivr_domain::effect::Topic::ALL[0],
        note: delivr_domain::effect::Note {
            kind: "HELD".to_owned(),
            title: title.to_owned(),
            lines: Vec::new(),
        },
    };
    assert_ne!(message("held").id(), message("no longer held").id());
    assert_eq!(message("held").id(), message("held").id());
}
