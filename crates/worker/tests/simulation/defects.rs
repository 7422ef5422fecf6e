//! Defects of orchestrators that work through a loop and believe every answer: vendors that are slow, out of order or
//! out of service for a while, without dice. The list is `docs/defects-prevented.md`.

use crate::check::{at_once, state_of};
use crate::plan::{draft, furnish, integration, tenant, vault};
use crate::shared::{Broken, Shared};
use crate::time::{Dice, Thrown, epoch, lock, seconds};
use async_trait::async_trait;
use delivr_app::apply::{self, Remember, Wish};
use delivr_app::{App, connections, inbox};
use delivr_domain::aggregate::{Aggregate, Command as Any};
use delivr_domain::board::{Owner as _, TaskState};
use delivr_domain::effect::{CicdWrite, OperationKind, Reference, RunRef, ScmWrite, Topic, TrackerWrite};
use delivr_domain::ids::{DeliveryId, InstallId};
use delivr_domain::key::{AggregateId, AggregateKind, EffectKey, TargetKey, TaskKey, TaskKind};
use delivr_domain::names::{RefName, Sha};
use delivr_domain::plan::{BuildMode, ChatPlan, Purpose, TrackerPlan};
use delivr_domain::ports::error::{ProviderError, ProviderErrorKind};
use delivr_domain::ports::provider::{Connection, Descriptor, Port, Registry};
use delivr_domain::ports::store::{Directory as _, Queue as _, StoredAnswer, StoredDelivery};
use delivr_domain::ports::vendor::{
    Cicd, Commit, Declared, JobParameter, Lookup, Recognition, Scm, Tracker, Verification, Writes,
};
use delivr_domain::release::command::Command;
use delivr_domain::release::state::{Draft, Release};
use delivr_domain::report::{RunProduct, RunResult, RunState};
use delivr_domain::time::Span;
use delivr_testkit::clock::FakeClock;
use delivr_testkit::memory::MemoryStore;
use delivr_worker::{Worker, WorkerSettings};
use futures_util::FutureExt as _;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

const ANDROID: TargetKey = TargetKey::AndroidPlayStore;

fn trouble() -> ProviderError {
    ProviderError::new("plain", "ask", ProviderErrorKind::Unavailable, "503 from a proxy")
}

/// What the vendors have, and how they feel.
#[derive(Default)]
struct World {
    refs: BTreeMap<String, Reference>,
    runs: BTreeMap<String, Reference>,
    triggers: u32,
    run_looks: u32,
    /// Looks at a run bring no answer.
    ci_is_down: bool,
    /// Nobody hears anything of tickets.
    tracker_hangs: bool,
    /// Happens once, after a run was accepted and before anybody here knows of it.
    meanwhile: Option<Box<dyn FnOnce(String) + Send>>,
}

/// A source-control host, a CI system and a tracker that do as they are told.
#[derive(Clone)]
struct Plain(Arc<Mutex<World>>);

fn sha() -> Sha {
    "a".repeat(40).parse().unwrap()
}

fn declared() -> Declared {
    Declared::new(Recognition::ByName)
}

#[async_trait]
impl Writes<ScmWrite> for Plain {
    fn declared(&self, _operation: OperationKind) -> Declared {
        declared()
    }
    async fn find(&self, _key: &EffectKey, write: &ScmWrite) -> Result<Lookup, ProviderError> {
        let found = lock(&self.0).refs.get(&name_of(write)).cloned();
        Ok(Lookup::Found(found.into_iter().collect()))
    }
    async fn create(&self, _key: &EffectKey, write: &ScmWrite) -> Result<Reference, ProviderError> {
        let made = Reference::id(name_of(write));
        lock(&self.0).refs.insert(name_of(write), made.clone());
        Ok(made)
    }
}

fn name_of(write: &ScmWrite) -> String {
    match write {
        ScmWrite::CreateBranch { name, .. } | ScmWrite::CreateTag { name, .. } => name.to_string(),
        other => panic!("nobody asks for {other:?}"),
    }
}

#[async_trait]
impl Writes<CicdWrite> for Plain {
    fn declared(&self, _operation: OperationKind) -> Declared {
        declared()
    }
    async fn find(&self, key: &EffectKey, _write: &CicdWrite) -> Result<Lookup, ProviderError> {
        let found = lock(&self.0).runs.get(&key.short()).cloned();
        Ok(Lookup::Found(found.into_iter().collect()))
    }
    async fn create(&self, key: &EffectKey, _write: &CicdWrite) -> Result<Reference, ProviderError> {
        let (made, happens) = {
            let mut world = lock(&self.0);
            world.triggers += 1;
            let made = Reference::id(format!("run-{}", world.triggers));
            world.runs.insert(key.short(), made.clone());
            (made, world.meanwhile.take())
        };
        if let Some(happens) = happens {
            happens(key.short());
        }
        Ok(made)
    }
}

#[async_trait]
impl Writes<TrackerWrite> for Plain {
    fn declared(&self, _operation: OperationKind) -> Declared {
        declared()
    }
    async fn find(&self, _key: &EffectKey, _write: &TrackerWrite) -> Result<Lookup, ProviderError> {
        if lock(&self.0).tracker_hangs {
            std::future::pending::<()>().await;
        }
        Ok(Lookup::Found(Vec::new()))
    }
    async fn create(&self, key: &EffectKey, _write: &TrackerWrite) -> Result<Reference, ProviderError> {
        Ok(Reference::id(key.short()))
    }
}

fn verified() -> Result<Verification, ProviderError> {
    Ok(Verification {
        account: "plain".to_owned(),
        checks: Vec::new(),
    })
}

#[async_trait]
impl Scm for Plain {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        verified()
    }
    async fn resolve(&self, _name: &RefName) -> Result<Option<Sha>, ProviderError> {
        Ok(Some(sha()))
    }
    async fn compare(&self, _base: Option<&RefName>, _head: &RefName) -> Result<Vec<Commit>, ProviderError> {
        Ok(Vec::new())
    }
    async fn release_notes(&self, _from: Option<&RefName>, _to: &RefName) -> Result<String, ProviderError> {
        Ok(String::new())
    }
    async fn branches(&self) -> Result<Vec<String>, ProviderError> {
        Ok(Vec::new())
    }
    fn publishes_releases(&self) -> bool {
        false
    }
    fn has_pull_requests(&self) -> bool {
        false
    }
}

#[async_trait]
impl Cicd for Plain {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        verified()
    }
    async fn jobs(&self) -> Result<Vec<String>, ProviderError> {
        Ok(Vec::new())
    }
    async fn job_parameters(&self, _job: &str) -> Result<Vec<JobParameter>, ProviderError> {
        Ok(Vec::new())
    }
    async fn run_state(&self, run: &RunRef) -> Result<RunState, ProviderError> {
        let mut world = lock(&self.0);
        world.run_looks += 1;
        if world.ci_is_down {
            return Err(trouble());
        }
        let product = RunProduct {
            number: Some(run.id.clone()),
            sha: Some(sha()),
            ..RunProduct::default()
        };
        Ok(RunState::Ended {
            result: RunResult::Succeeded,
            product,
        })
    }
    async fn cancel(&self, _run: &RunRef) -> Result<(), ProviderError> {
        Ok(())
    }
}

#[async_trait]
impl Tracker for Plain {
    async fn verify(&self) -> Result<Verification, ProviderError> {
        verified()
    }
    async fn approvals(&self, _tickets: &[String]) -> Result<Vec<(String, bool)>, ProviderError> {
        Ok(Vec::new())
    }
}

fn descriptor(port: Port, connection: Connection) -> Descriptor {
    Descriptor {
        key: "sim",
        port,
        display_name: "Plain",
        config_schema: serde_json::json!({}),
        credentials_schema: serde_json::json!({}),
        capabilities: serde_json::json!({}),
        connect: Arc::new(move |_config, _credentials| Ok(connection.clone())),
        webhook: None,
    }
}

struct Bench {
    clock: Arc<FakeClock>,
    store: MemoryStore,
    vendors: Plain,
    worker: Worker,
}

impl Bench {
    fn new() -> Self {
        let clock = Arc::new(FakeClock::at(epoch()));
        let store = MemoryStore::new(clock.clone());
        let shared = Shared::new(1, Broken::Nothing);
        let vault = vault();
        at_once(furnish(&store, &shared, &vault));
        let vendors = Plain(Arc::default());
        let registry = Registry::new([
            descriptor(Port::Scm, Connection::Scm(Arc::new(vendors.clone()))),
            descriptor(Port::Cicd, Connection::Cicd(Arc::new(vendors.clone()))),
            descriptor(
                Port::ProjectManagement,
                Connection::Tracker(Arc::new(vendors.clone())),
            ),
        ])
        .unwrap();
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
            vendors,
            worker: Worker::new(app, WorkerSettings::default()),
        }
    }

    /// A release that starts now: a branch, and for Android a ticket or a build, as wished.
    fn release(&self, n: u32, wish: impl FnOnce(&mut Draft)) -> AggregateId {
        let mut made = draft(n, InstallId::derived(&[b"memory"]), &mut Dice::new(1));
        made.kickoff_at = epoch();
        made.kickoff_reminder_at = None;
        made.slots.clear();
        made.plan.chat = None;
        made.plan.testing = None;
        made.plan.tracker = None;
        made.plan.pre_regression_builds = false;
        made.plan.auto_start.clear();
        let mut target = made.plan.targets.values().next().unwrap().clone();
        target.builds = BuildMode::Pipeline;
        assert!(target.pipelines.contains_key(&Purpose::PreRegressionBuild));
        made.plan.targets = BTreeMap::from([(ANDROID, target)]);
        wish(&mut made);
        let made = at_once(apply::create(
            &self.store,
            self.clock.as_ref(),
            made,
            "pilot",
            None,
        ))
        .unwrap();
        made.id()
    }

    fn state(&self, id: AggregateId) -> Box<Release> {
        match state_of(&self.store, id) {
            Some(Aggregate::Release(release)) => release,
            _ => panic!("a release is a release"),
        }
    }

    /// Works for so many seconds.
    fn works(&self, span: u64) {
        for _ in 0..span {
            while at_once(self.worker.run_due_once()).unwrap() > 0 {}
            self.clock.advance(seconds(1));
        }
    }
}

fn build() -> TaskKey {
    TaskKey::once(TaskKind::TriggerPreRegressionBuilds).target(ANDROID)
}

fn builds(draft: &mut Draft) {
    draft.plan.pre_regression_builds = true;
}

fn tickets(draft: &mut Draft) {
    draft.plan.tracker = Some(TrackerPlan {
        integration: integration("tracker"),
        gate_on_approval: false,
        close_tickets: false,
    });
}

#[test]
fn a_vendor_that_never_answers_keeps_nobody_else_waiting() {
    let bench = Bench::new();
    lock(&bench.vendors.0).tracker_hangs = true;
    let (slow, other) = (bench.release(0, tickets), bench.release(1, builds));
    {
        let mut worker = Box::pin(bench.worker.run(std::future::pending()));
        // Time stands still: no call is given up.
        for _ in 0..1_000 {
            assert!((&mut worker).now_or_never().is_none());
        }
    }
    let ticket = TaskKey::once(TaskKind::CreateProjectManagementTicket).target(ANDROID);
    let it = bench.state(slow);
    assert!(matches!(
        it.task(&ticket).unwrap().state,
        TaskState::Running { .. }
    ));
    assert!(it.branch.is_some(), "its own branch does not wait for its ticket");
    let it = bench.state(other);
    assert!(it.branch.is_some());
    assert!(
        it.task(&build()).unwrap().state.settled(),
        "{:?}",
        it.task(&build())
    );
}

#[test]
fn a_look_that_fails_is_no_run_that_failed() {
    let bench = Bench::new();
    lock(&bench.vendors.0).ci_is_down = true;
    let id = bench.release(0, builds);
    bench.works(1_200);
    let it = bench.state(id);
    let task = it.task(&build()).unwrap();
    assert!(
        matches!(task.state, TaskState::AwaitingCallback { .. }),
        "{:?}",
        task.state
    );
    assert!(
        lock(&bench.vendors.0).run_looks > 20,
        "it was looked at all the time"
    );
    assert!(it.failures().next().is_none());
    lock(&bench.vendors.0).ci_is_down = false;
    bench.works(60);
    let it = bench.state(id);
    assert!(it.task(&build()).unwrap().state.settled());
    assert_eq!((it.builds.len(), lock(&bench.vendors.0).triggers), (1, 1));
}

#[test]
fn a_run_that_is_never_seen_to_end_fails_in_time_and_says_so() {
    let bench = Bench::new();
    lock(&bench.vendors.0).ci_is_down = true;
    let id = bench.release(0, builds);
    bench.works(1_900);
    let it = bench.state(id);
    let (cause, _) = it
        .task(&build())
        .unwrap()
        .failure()
        .expect("half an hour was the deadline");
    assert_eq!(cause.code, "wait_timed_out");
    assert_eq!(lock(&bench.vendors.0).triggers, 1);
}

#[test]
fn news_of_a_run_that_comes_before_its_record_is_not_missed() {
    let bench = Bench::new();
    let store = bench.store.clone();
    let came = Arc::new(Mutex::new(0));
    let counted = came.clone();
    lock(&bench.vendors.0).meanwhile = Some(Box::new(move |correlation| {
        // The run is through, and calls back, while the answer that names it is still on its way to us.
        let delivery = StoredDelivery {
            id: DeliveryId::from_uuid(uuid::Uuid::from_u128(1)),
            tenant: tenant(),
            integration: None,
            source: "callback".to_owned(),
            external: "1".to_owned(),
            payload: serde_json::json!({ "correlations": [correlation] }),
            at: epoch(),
        };
        assert!(at_once(store.insert_delivery(&delivery)).unwrap());
        *counted.lock().unwrap() += at_once(inbox::work_off(&store)).unwrap();
    }));
    let id = bench.release(0, builds);
    for _ in 0..20 {
        at_once(bench.worker.run_due_once()).unwrap();
    }
    assert_eq!(*came.lock().unwrap(), 1, "the news came and was worked off");
    let it = bench.state(id);
    assert!(
        it.task(&build()).unwrap().state.settled(),
        "without a second passing: {:?}",
        it.task(&build())
    );
    assert_eq!(it.builds.len(), 1);
    assert_eq!(it.effect_key(it.task(&build()).unwrap(), 0).generation.0, 0);
}

/// An answer that is remembered under a key which is taken already: the last write of the transaction fails.
fn taken(bench: &Bench) -> StoredAnswer {
    let answer = StoredAnswer {
        request: "another".to_owned(),
        status: 201,
        body: String::new(),
        expires_at: epoch() + Span::days(1),
    };
    at_once(bench.store.insert_answer(tenant(), "k", &answer)).unwrap();
    answer
}

#[test]
fn a_creation_that_fails_at_its_last_write_leaves_nothing() {
    let bench = Bench::new();
    let answer = taken(&bench);
    let remembered = |_: &Aggregate| answer.clone();
    let remember = Remember {
        key: "k",
        answer: &remembered,
    };
    let create = |draft, remember| {
        at_once(apply::create(
            &bench.store,
            bench.clock.as_ref(),
            draft,
            "pilot",
            remember,
        ))
    };
    let sketch = || draft(0, InstallId::derived(&[b"memory"]), &mut Dice::new(1));
    assert!(create(sketch(), Some(&remember)).is_err());
    let id = AggregateId {
        kind: AggregateKind::Release,
        id: sketch().id.uuid(),
    };
    assert!(state_of(&bench.store, id).is_none());
    assert!(at_once(bench.store.rows(id, true)).unwrap().is_empty());
    assert!(at_once(bench.store.feed(tenant(), 0, 10)).unwrap().is_empty());
    // The same request goes through once nothing stands in its way, and its number was not used up.
    create(sketch(), None).unwrap();
    assert_eq!(bench.state(id).key(), "REL-1");
}

#[test]
fn a_change_that_fails_at_its_last_write_changes_nothing_and_tells_nobody() {
    let bench = Bench::new();
    let id = bench.release(0, |draft| {
        draft.plan.chat = Some(ChatPlan {
            integration: integration("chat"),
            topics: Topic::ALL.iter().copied().collect(),
        });
    });
    let answer = taken(&bench);
    let remembered = |_: &Aggregate| answer.clone();
    let remember = Remember {
        key: "k",
        answer: &remembered,
    };
    let (before, rows) = (bench.state(id), at_once(bench.store.rows(id, true)).unwrap());
    let archive = Any::Release(Command::Archive {
        reason: "not now".to_owned(),
        close_tickets: true,
        delete_branch: true,
    });
    let wish = Wish {
        tenant: tenant(),
        command: &archive,
        actor: "pat",
        expected: None,
        remember: Some(&remember),
    };
    assert!(at_once(apply::command(&bench.store, bench.clock.as_ref(), id, &wish)).is_err());
    assert_eq!(bench.state(id), before);
    assert_eq!(at_once(bench.store.rows(id, true)).unwrap(), rows);
    let free = Wish {
        remember: None,
        ..wish
    };
    at_once(apply::command(&bench.store, bench.clock.as_ref(), id, &free)).unwrap();
    assert_ne!(
        at_once(bench.store.rows(id, true)).unwrap(),
        rows,
        "it would have told people"
    );
}
